#include "http/mhd.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

#define MHD_LIBRARY "libmicrohttpd.so.12"

struct mhd mhd;

int mhd_load(struct echod_error *error)
{
#define MHD_NAME(name) {"MHD_" #name, offsetof(struct mhd, name)},
	static const struct {
		const char *name;
		size_t offset;
	} functions[] = {MHD_FUNCTIONS(MHD_NAME)};
	void *library = dlopen(MHD_LIBRARY, RTLD_NOW | RTLD_LOCAL);
	for (size_t i = 0; library && i < sizeof(functions) / sizeof(functions[0]); i++) {
		void *function = dlsym(library, functions[i].name);
		if (!function)
			library = NULL;
		memcpy((char *)&mhd + functions[i].offset, &function, sizeof(function));
	}
	// NOLINTNEXTLINE(concurrency-mt-unsafe): main thread only
	return library ? 0 : error_set(error, ECHOD_ERROR_SYSTEM, "cannot load: %s", dlerror());
}
