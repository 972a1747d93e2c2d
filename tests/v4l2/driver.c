/* A webcam where there is none: stands between a program and the kernel for one path, and speaks Video4Linux as far as
 * capturing needs it. Loaded with LD_PRELOAD.
 *
 * 64 x 48 pixels in YUYV. Frames are light and dark in turn, beginning with light, and come at the pace that it says.
 *
 * FAKE_CAMERA         its path; the file must be there
 * FAKE_CAMERA_FPS     frames a second (20)
 * FAKE_CAMERA_FRAMES  after so many it is unplugged; 0 for never (0)
 * FAKE_CAMERA_BUSY    whether another program has it
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { WIDTH = 64, HEIGHT = 48, LENGTH = WIDTH * HEIGHT * 2, MOST = 8, LIGHT = 230, DARK = 25 };

static int device = -1;
static unsigned buffers, first, waiting, sequence;
static unsigned queue[MOST];
static unsigned char *pictures[MOST];

static unsigned number(const char *name, unsigned otherwise)
{
    const char *text = getenv(name);
    return text ? (unsigned)atoi(text) : otherwise;
}

static int is_camera(const char *path)
{
    const char *camera = getenv("FAKE_CAMERA");
    return camera && path && strcmp(path, camera) == 0;
}

static int open_camera(void)
{
    device = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    buffers = first = waiting = sequence = 0;
    return device;
}

static void stream(int is_on)
{
    long gap = is_on ? 1000000000L / number("FAKE_CAMERA_FPS", 20) : 0;
    struct itimerspec pace = {{0, gap}, {0, gap}};
    timerfd_settime(device, 0, &pace, NULL);
}

static void describe(struct v4l2_pix_format *format)
{
    format->width = WIDTH;
    format->height = HEIGHT;
    format->pixelformat = V4L2_PIX_FMT_YUYV;
    format->field = V4L2_FIELD_NONE;
    format->bytesperline = WIDTH * 2;
    format->sizeimage = LENGTH;
    format->colorspace = V4L2_COLORSPACE_SRGB;
}

static int fail(int number)
{
    errno = number;
    return -1;
}

static int dequeue(struct v4l2_buffer *buffer)
{
    uint64_t ticks;
    unsigned last = number("FAKE_CAMERA_FRAMES", 0);
    if (last && sequence >= last)
        return fail(ENODEV);
    if (!waiting || read(device, &ticks, sizeof ticks) < 0)
        return fail(EAGAIN);
    unsigned index = queue[first];
    first = (first + 1) % MOST;
    waiting--;
    memset(pictures[index], 128, LENGTH);
    for (int pixel = 0; pixel < WIDTH * HEIGHT; pixel++)
        pictures[index][2 * pixel] = sequence % 2 ? DARK : LIGHT;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    buffer->index = index;
    buffer->bytesused = buffer->length = LENGTH;
    buffer->flags = V4L2_BUF_FLAG_MAPPED | V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
    buffer->timestamp.tv_sec = now.tv_sec;
    buffer->timestamp.tv_usec = now.tv_nsec / 1000;
    buffer->sequence = sequence++;
    return 0;
}

static int control(unsigned long request, void *argument)
{
    switch (request) {
    case VIDIOC_QUERYCAP: {
        struct v4l2_capability *can = argument;
        memset(can, 0, sizeof *can);
        strcpy((char *)can->driver, "fake");
        strcpy((char *)can->card, "light and dark");
        can->capabilities = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING | V4L2_CAP_DEVICE_CAPS;
        can->device_caps = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
        return 0;
    }
    case VIDIOC_G_INPUT:
        *(int *)argument = 0;
        return 0;
    case VIDIOC_ENUMINPUT:
        if (((struct v4l2_input *)argument)->index)
            return fail(EINVAL);
        ((struct v4l2_input *)argument)->type = V4L2_INPUT_TYPE_CAMERA;
        return 0;
    case VIDIOC_S_FMT:
        if (number("FAKE_CAMERA_BUSY", 0))
            return fail(EBUSY);
        /* fall through */
    case VIDIOC_G_FMT:
    case VIDIOC_TRY_FMT:
        describe(&((struct v4l2_format *)argument)->fmt.pix);
        return 0;
    case VIDIOC_G_PARM:
    case VIDIOC_S_PARM: {
        struct v4l2_captureparm *capture = &((struct v4l2_streamparm *)argument)->parm.capture;
        capture->capability = V4L2_CAP_TIMEPERFRAME;
        capture->timeperframe.numerator = 1;
        capture->timeperframe.denominator = number("FAKE_CAMERA_FPS", 20);
        return 0;
    }
    case VIDIOC_REQBUFS: {
        struct v4l2_requestbuffers *wanted = argument;
        if (wanted->count > MOST)
            wanted->count = MOST;
        buffers = wanted->count;
        first = waiting = 0;
        return 0;
    }
    case VIDIOC_QUERYBUF: {
        struct v4l2_buffer *buffer = argument;
        if (buffer->index >= buffers)
            return fail(EINVAL);
        buffer->length = LENGTH;
        buffer->m.offset = buffer->index * 65536;
        return 0;
    }
    case VIDIOC_QBUF:
        if (waiting >= MOST)
            return fail(EINVAL);
        queue[(first + waiting++) % MOST] = ((struct v4l2_buffer *)argument)->index;
        return 0;
    case VIDIOC_DQBUF:
        return dequeue(argument);
    case VIDIOC_STREAMON:
    case VIDIOC_STREAMOFF:
        stream(request == VIDIOC_STREAMON);
        return 0;
    default:
        return fail(EINVAL);
    }
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int open(const char *path, int flags, ...)
{
    va_list more;
    va_start(more, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;
    va_end(more);
    return is_camera(path) ? open_camera() : NEXT(open)(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    va_list more;
    va_start(more, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;
    va_end(more);
    return is_camera(path) ? open_camera() : NEXT(open64)(path, flags, mode);
}

int close(int file)
{
    if (device >= 0 && file == device)
        device = -1;
    return NEXT(close)(file);
}

int ioctl(int file, unsigned long request, ...)
{
    va_list more;
    va_start(more, request);
    void *argument = va_arg(more, void *);
    va_end(more);
    if (device >= 0 && file == device)
        return control(request & 0xffffffffUL, argument);
    return ((int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl"))(file, request, argument);
}

static void *map_picture(size_t length, off_t offset)
{
    unsigned index = offset / 65536;
    void *memory = index < MOST ? NEXT(mmap)(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                                : MAP_FAILED;
    if (memory != MAP_FAILED)
        pictures[index] = memory;
    return memory;
}

void *mmap(void *address, size_t length, int protection, int flags, int file, off_t offset)
{
    if (device >= 0 && file == device)
        return map_picture(length, offset);
    return NEXT(mmap)(address, length, protection, flags, file, offset);
}

void *mmap64(void *address, size_t length, int protection, int flags, int file, off64_t offset)
{
    if (device >= 0 && file == device)
        return map_picture(length, offset);
    return NEXT(mmap64)(address, length, protection, flags, file, offset);
}
