// HdrHistogram's interval log. One thread for each file.
#include "hlog.h"

#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "hdr_v2.h"

void hlog_begin(FILE *file, uint64_t started)
{
	time_t second = (time_t)(started / NS_PER_S);
	struct tm utc;
	char date[64];
	gmtime_r(&second, &utc);
	strftime(date, sizeof(date), "%a %b %d %T UTC %Y", &utc);
	fprintf(file, "#[Logged with echoload %s, values in nanoseconds]\n", ECHOD_VERSION);
	fprintf(file, "#[Histogram log format version 1.3]\n");
	fprintf(file, "#[StartTime: %.3f (seconds since epoch), %s]\n", clock_seconds(started),
		date);
	fprintf(file, "#[BaseTime: %.3f (seconds since epoch)]\n", clock_seconds(started));
	fprintf(file, "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\","
		      "\"Interval_Compressed_Histogram\"\n");
}

int hlog_interval(FILE *file, uint64_t from, uint64_t length, const struct hdr *hdr)
{
	char *text = hdr_v2_encode(hdr);
	if (!text)
		return -1;
	fprintf(file, "%.3f,%.3f,%.3f,%s\n", clock_seconds(from), clock_seconds(length),
		(double)hdr->max / (double)NS_PER_MS, text);
	free(text);
	return 0;
}
