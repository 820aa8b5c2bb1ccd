// SPDX-License-Identifier: Apache-2.0
/*
 * A connection's bytes through the ttrpc decoder, the rules for streams, and every message of the
 * task service and of ours. First byte: size of the chunks in which the rest arrives.
 */
#include "shim/options.pb-c.h"
#include "shim/shim.pb-c.h"
#include "shim/task.pb-c.h"
#include "shim/ttrpc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void unpack_all(const uint8_t *payload, size_t n)
{
	static const ProtobufCMessageDescriptor *const types[] = {
		&containerd__task__v2__mount__descriptor,
		&containerd__task__v2__state_request__descriptor,
		&containerd__task__v2__state_response__descriptor,
		&containerd__task__v2__create_task_request__descriptor,
		&containerd__task__v2__create_task_response__descriptor,
		&containerd__task__v2__start_request__descriptor,
		&containerd__task__v2__start_response__descriptor,
		&containerd__task__v2__delete_request__descriptor,
		&containerd__task__v2__delete_response__descriptor,
		&containerd__task__v2__pids_request__descriptor,
		&containerd__task__v2__process_info__descriptor,
		&containerd__task__v2__pids_response__descriptor,
		&containerd__task__v2__pause_request__descriptor,
		&containerd__task__v2__resume_request__descriptor,
		&containerd__task__v2__checkpoint_task_request__descriptor,
		&containerd__task__v2__kill_request__descriptor,
		&containerd__task__v2__exec_process_request__descriptor,
		&containerd__task__v2__resize_pty_request__descriptor,
		&containerd__task__v2__close_iorequest__descriptor,
		&containerd__task__v2__update_task_request__descriptor,
		&containerd__task__v2__wait_request__descriptor,
		&containerd__task__v2__wait_response__descriptor,
		&containerd__task__v2__stats_request__descriptor,
		&containerd__task__v2__stats_response__descriptor,
		&containerd__task__v2__connect_request__descriptor,
		&containerd__task__v2__connect_response__descriptor,
		&containerd__task__v2__shutdown_request__descriptor,
		&thole__options__runc__descriptor,
		&thole__options__foreign__descriptor,
		&thole__options__bootstrap_params__descriptor,
		&thole__shim__v1__info_request__descriptor,
		&thole__shim__v1__reopen_log_request__descriptor,
		&thole__shim__v1__logs_request__descriptor,
		&thole__shim__v1__logs_response__descriptor,
		&thole__shim__v1__attach_request__descriptor,
		&thole__shim__v1__attach_data__descriptor,
		&thole__options__checkpoint__descriptor,
	};

	for (size_t i = 0; i < ARRAY_COUNT(types); i++) {
		ProtobufCMessage *message = ttrpc_unpack(types[i], payload, n);

		if (message)
			protobuf_c_message_free_unpacked(message, NULL);
	}
}

static void on_frame(struct ttrpc_decoder *d, const struct ttrpc_frame *frame)
{
	struct ttrpc_call call;
	struct err err;
	char *message = NULL;
	uint8_t *payload = NULL;
	size_t n;
	int code;

	(void)ttrpc_stream_check(d, frame);
	if (frame->oversized)
		return;
	if (frame->type == TTRPC_REQUEST && ttrpc_call_decode(frame, &call, &err) == 0) {
		unpack_all(call.payload, call.payload_len);
		ttrpc_call_done(&call);
	} else if (frame->type == TTRPC_RESPONSE &&
		   ttrpc_reply_decode(frame, &code, &message, &payload, &n) == 0) {
		unpack_all(payload, n);
		free(message);
		free(payload);
	} else if (frame->type == TTRPC_DATA) {
		unpack_all(frame->data, frame->length);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ttrpc_decoder d = { 0 };
	size_t chunk, off = 0;

	if (size < 1)
		return 0;
	chunk = (size_t)data[0] + 1;
	data++;
	size--;
	while (off < size) {
		size_t n = MIN(chunk, size - off);
		struct ttrpc_frame frame;
		bool ready;
		ssize_t r = ttrpc_decode(&d, data + off, n, &frame, &ready);

		/* Some progress with each call, or it would never end. */
		if (r <= 0 || (size_t)r > n || (!ready && (size_t)r != n))
			abort();
		off += (size_t)r;
		if (ready)
			on_frame(&d, &frame);
	}
	ttrpc_decoder_done(&d);
	return 0;
}
