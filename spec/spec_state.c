/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The OCI state document: what `state` prints and hooks get on stdin.
 */
#include "common/str.h"
#include "spec/spec_docs.h"

static void write_string(struct json_writer *w, const char *key, const char *value)
{
	if (!value)
		return;
	jw_key(w, key);
	jw_string(w, value);
}

void spec_state_write(struct json_writer *w, const struct spec_state *state)
{
	jw_object(w);
	write_string(w, "ociVersion", SPEC_VERSION);
	write_string(w, "id", state->id);
	jw_key(w, "pid");
	jw_int(w, state->pid);
	write_string(w, "status", state->status);
	write_string(w, "bundle", state->bundle);
	write_string(w, "rootfs", state->rootfs);
	write_string(w, "created", state->created);
	if (state->annotations && state->annotations->n > 0) {
		jw_key(w, "annotations");
		jw_object(w);
		for (size_t i = 0; i < state->annotations->n; i++) {
			jw_key(w, state->annotations->v[i].key);
			jw_string(w, state->annotations->v[i].value);
		}
		jw_end(w);
	}
	write_string(w, "owner", state->owner);
	jw_end(w);
}

void spec_state_text(struct str *out, const struct spec_state *state)
{
	CLEANUP_JSON_WRITER struct json_writer *w = json_writer_new(NULL);
	const char *text;
	size_t n;

	spec_state_write(w, state);
	text = json_writer_text(w, &n);
	str_add_n(out, text, n);
}
