// Words of a command line that a table can only name, as what they stand for is known when the test
// runs. One thread.
#ifndef ECHOD_TESTS_WORDS_H
#define ECHOD_TESTS_WORDS_H

#include "daemon.h"

#define WORD_ADDRESS "@address" // the first of the server's
#define WORD_CONTROL "@control" // the server's control socket
#define WORD_RESULT "@result"	// the file of an earlier run
#define WORD_OUTPUT "@output"	// a file to be written

// What `word` stands for: one of these, or `word` itself.
const char *words_put_in(const char *word, const struct daemon *daemon, const char *result,
			 const char *output);

#endif
