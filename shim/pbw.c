// SPDX-License-Identifier: Apache-2.0
// Varints, fixed 64-bit fields and length-delimited ones.
#include "shim/pbw.h"

#include "common/macros.h"

#define LENGTH_MAX 3 /* bytes kept for the length of a message within: up to 2 MiB */

static void put(struct pbw *w, const void *data, size_t n)
{
	if (n > w->cap - w->len) {
		w->overflow = true;
		return;
	}
	memcpy(w->data + w->len, data, n);
	w->len += n;
}

static void put_varint(struct pbw *w, uint64_t v)
{
	uint8_t buf[10];
	size_t n = 0;

	do {
		buf[n++] = (uint8_t)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
		v >>= 7;
	} while (v);
	put(w, buf, n);
}

static void put_tag(struct pbw *w, unsigned int field, unsigned int type)
{
	put_varint(w, (uint64_t)field << 3 | type);
}

void pbw_u64(struct pbw *w, unsigned int field, uint64_t v)
{
	if (!v)
		return;
	put_tag(w, field, 0);
	put_varint(w, v);
}

void pbw_double(struct pbw *w, unsigned int field, double v)
{
	uint8_t buf[8];
	uint64_t bits;

	memcpy(&bits, &v, sizeof(bits));
	if (!bits)
		return;
	for (unsigned int i = 0; i < 8; i++)
		buf[i] = (uint8_t)(bits >> (8 * i));
	put_tag(w, field, 1);
	put(w, buf, sizeof(buf));
}

void pbw_string(struct pbw *w, unsigned int field, const char *s)
{
	size_t n = strlen(s);

	if (!n)
		return;
	put_tag(w, field, 2);
	put_varint(w, n);
	put(w, s, n);
}

size_t pbw_begin(struct pbw *w, unsigned int field)
{
	static const uint8_t room[LENGTH_MAX];

	put_tag(w, field, 2);
	put(w, room, sizeof(room));
	return w->len;
}

void pbw_end(struct pbw *w, size_t begun)
{
	size_t n = w->len - begun;
	uint8_t *at = w->data + begun - LENGTH_MAX;

	if (w->overflow)
		return;
	/* A varint may have more bytes than it needs. */
	at[0] = (uint8_t)((n & 0x7f) | 0x80);
	at[1] = (uint8_t)(((n >> 7) & 0x7f) | 0x80);
	at[2] = (uint8_t)((n >> 14) & 0x7f);
	w->overflow = n >> 21 != 0;
}
