"""Where frames come from: files, folders, images, cameras, a synthetic scene."""
