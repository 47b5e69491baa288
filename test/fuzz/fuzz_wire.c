/*
 * fuzz_wire.c: any bytes on the pipe, read by either side.
 */
#include <stdlib.h>
#include <string.h>

#include "text.h"
#include "wire.h"

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct job_result result;
	static uint8_t again[WIRE_MAX_FRAME];
	struct poller_settings settings;
	struct poller_ready ready;
	struct job	job;
	struct wire_frame frame;

	while (wire_frame_next(data, size, &frame) == WIRE_FRAME)
	{
		struct wire_writer writer;

		wire_writer_init(&writer, again, sizeof(again));
		wire_decode_settings(&frame, &settings);
		wire_decode_ready(&frame, &ready);

		/* a message has one form: what was read is written the same */
		if (wire_decode_job(&frame, &job) &&
			(!wire_encode_job(&writer, &job) || writer.length != frame.size ||
			 memcmp(again, data, frame.size) != 0))
			abort();
		wire_writer_init(&writer, again, sizeof(again));
		if (wire_decode_result(&frame, &result) &&
			(!wire_encode_result(&writer, &result) ||
			 !text_is_printable(result.error, strlen(result.error))))
			abort();
		data += frame.size;
		size -= frame.size;
	}
	return 0;
}
