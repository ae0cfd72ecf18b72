#include "base/output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/signals.h"

#define KEPT_MOST ((size_t)64 << 10) // before printing waits: as much as a pipe holds
#define GRACE_MS 500		     // after an ending signal, for a reader that is only slow

// Bytes that are printed and not yet written.
struct stream {
	struct output output;
	FILE *file;
	bool held; // printing never waits
	char *kept;
	size_t written, length, size; // of `kept`: those before `written` are done with
	int failure;		      // errno of the write that failed; then all else is dropped
};

static struct stream standard[] = {
	{.output.given = STDOUT_FILENO},
	{.output.given = STDERR_FILENO},
};

// O_NONBLOCK on the given descriptor would change it for all processes that share it. If the file
// is opened again, the new descriptor has its own flags. A descriptor that is not writable must
// stay so.
static int open_again(int fd, mode_t mode)
{
	char path[32];
	int flags = fcntl(fd, F_GETFL);
	if (!(S_ISFIFO(mode) || S_ISCHR(mode)) || flags < 0 || (flags & O_ACCMODE) == O_RDONLY)
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

void output_open(struct output *output, int fd)
{
	struct stat status = {0};
	(void)fstat(fd, &status);
	int again = open_again(fd, status.st_mode);
	*output = (struct output){.fd = again >= 0 ? again : fd, .given = fd};
	if (S_ISSOCK(status.st_mode))
		output->kind = OUTPUT_SOCKET;
	else if (again < 0 && !S_ISREG(status.st_mode))
		output->kind = OUTPUT_POLLED; // another user's terminal, or there is no /proc
}

void output_close(struct output *output)
{
	if (output->fd != output->given)
		close(output->fd);
	output->fd = -1;
}

ssize_t output_try(const struct output *output, const void *bytes, size_t length)
{
	struct pollfd ready = {.fd = output->fd, .events = POLLOUT};
	if (output->kind == OUTPUT_SOCKET)
		return send(output->fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (output->kind == OUTPUT_POLLED) {
		if (poll(&ready, 1, 0) == 0) {
			errno = EAGAIN;
			return -1;
		}
		length = length < PIPE_BUF ? length : PIPE_BUF;
	}
	return write(output->fd, bytes, length);
}

static size_t kept(const struct stream *stream)
{
	return stream->length - stream->written;
}

static void fail(struct stream *stream, int number)
{
	stream->failure = number;
	free(stream->kept);
	stream->kept = NULL;
	stream->written = stream->length = stream->size = 0;
}

// Writes as many of the kept bytes as possible without waiting.
static void push(struct stream *stream)
{
	while (kept(stream) > 0) {
		ssize_t count =
			output_try(&stream->output, stream->kept + stream->written, kept(stream));
		if (count >= 0)
			stream->written += (size_t)count;
		else if (errno == EAGAIN)
			return;
		else if (errno != EINTR)
			fail(stream, errno);
	}
	stream->written = stream->length = 0;
}

// Returns false when an ending signal has come and the reader takes nothing more.
static bool wait_for_room(const struct stream *stream)
{
	bool ending = signals_caught() > 0;
	struct pollfd fds[] = {
		{.fd = stream->output.fd, .events = POLLOUT},
		{.fd = ending ? -1 : signals_fd(), .events = POLLIN},
	};
	return poll(fds, 2, ending ? GRACE_MS : -1) != 0;
}

// Writes until at most `most` bytes are kept.
static void settle(struct stream *stream, size_t most)
{
	push(stream);
	while (kept(stream) > most) {
		if (!wait_for_room(stream))
			fail(stream, EINTR);
		push(stream);
	}
}

static bool make_room(struct stream *stream, size_t length)
{
	if (stream->written > 0) {
		stream->length = kept(stream);
		memmove(stream->kept, stream->kept + stream->written, stream->length);
		stream->written = 0;
	}
	if (stream->size - stream->length >= length)
		return true;
	size_t size = 2 * (stream->length + length);
	char *room = realloc(stream->kept, size);
	if (!room)
		return false;
	stream->kept = room;
	stream->size = size;
	return true;
}

static ssize_t cookie_write(void *cookie, const char *bytes, size_t length)
{
	struct stream *stream = cookie;
	if (!stream->failure && !make_room(stream, length))
		fail(stream, ENOMEM);
	if (!stream->failure) {
		memcpy(stream->kept + stream->length, bytes, length);
		stream->length += length;
		settle(stream, stream->held ? SIZE_MAX : KEPT_MOST);
	}
	errno = stream->failure;
	return stream->failure ? 0 : (ssize_t)length;
}

static FILE *make_file(struct stream *stream, int (*close)(void *cookie))
{
	stream->file = fopencookie(stream, "w",
				   (cookie_io_functions_t){.write = cookie_write, .close = close});
	return stream->file;
}

void output_take_standard(void)
{
	for (size_t i = 0; i < 2; i++)
		output_open(&standard[i].output, standard[i].output.given);
#ifdef HAVE_ASSIGNABLE_STDOUT // elsewhere printing waits, until a signal interrupts it
	FILE **const names[] = {&stdout, &stderr};
	for (size_t i = 0; i < 2; i++) {
		if (!make_file(&standard[i], NULL))
			continue; // no memory: keep the C library's own
		bool in_lines = i == 1 || isatty(standard[i].output.given);
		setvbuf(standard[i].file, NULL, in_lines ? _IOLBF : _IOFBF, BUFSIZ);
		*names[i] = standard[i].file;
	}
#endif
}

void output_hold(bool hold)
{
	for (size_t i = 0; i < 2; i++)
		standard[i].held = hold;
}

static struct stream *find(FILE *file)
{
	for (size_t i = 0; i < 2; i++) {
		if (standard[i].file == file)
			return &standard[i];
	}
	return NULL;
}

bool output_is_behind(FILE *file)
{
	struct stream *stream = find(file);
	if (stream)
		push(stream);
	return stream && kept(stream) > 0;
}

bool output_drop(FILE *file)
{
	struct stream *stream = find(file);
	bool behind = output_is_behind(file);
	if (behind)
		stream->written = stream->length = 0;
	return behind;
}

int output_descriptor(FILE *file)
{
	const struct stream *stream = find(file);
	return stream ? stream->output.given : fileno(file);
}

int output_finish(FILE *file)
{
	struct stream *stream = find(file);
	if (!stream)
		return fflush(file) == 0 && !ferror(file) ? 0 : errno;
	(void)fflush(file);
	settle(stream, stream->held ? SIZE_MAX : 0);
	if (stream->held)
		return 0;
	int failure = stream->failure;
	stream->failure = 0;
	return failure;
}

void output_last_word(const char *text)
{
	(void)!output_try(&standard[0].output, text, strlen(text));
}

static int cookie_close(void *cookie)
{
	struct stream *stream = cookie;
	settle(stream, 0);
	int failure = stream->failure;
	int given = stream->output.given;
	output_close(&stream->output);
	if (close(given) != 0 && !failure)
		failure = errno;
	free(stream->kept);
	free(stream);
	errno = failure;
	return failure ? -1 : 0;
}

FILE *output_fopen(const char *path)
{
	// Opening a FIFO waits for its reader, unless the program is ending.
	int now = signals_caught() > 0 ? O_NONBLOCK : 0;
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | now, 0666);
	struct stream *stream = fd < 0 ? NULL : calloc(1, sizeof(*stream));
	if (!stream || !make_file(stream, cookie_close)) {
		int why = errno;
		if (fd >= 0)
			close(fd);
		free(stream);
		errno = why;
		return NULL;
	}
	output_open(&stream->output, fd);
	stream->held = true;
	return stream->file;
}
