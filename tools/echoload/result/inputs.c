#include "inputs.h"

int inputs_take(void *context, const char *name, const char *value, struct error *error)
{
	(void)name;
	(void)value;
	(void)error;
	struct inputs *inputs = context;
	inputs->paths--;
	inputs->count++;
	return 0;
}

int inputs_fail(const struct inputs *inputs, size_t index, const struct error *why,
		struct error *error)
{
	return error_set(error, why->kind, "'%.160s': %.200s", inputs->paths[index], why->message);
}
