"""The extension server: grpc.aio around sessions, frames and scheduling."""
