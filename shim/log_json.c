// SPDX-License-Identifier: Apache-2.0
/*
 * The JSON record, as Docker's json-file writes it:
 * {"log":"text\n","stream":"stdout","time":"RFC3339Nano"}, with Go's escapes for HTML.
 */
#include "shim/log_frame.h"

enum { CLASS_PLAIN, CLASS_PAIR, CLASS_UNICODE, CLASS_HIGH };

/* What a byte needs; PAIR: backslash and one letter. */
static inline unsigned int class_of(unsigned char c)
{
	static const unsigned char classes[256] = {
		[0x00 ... 0x09] = CLASS_UNICODE, [0x0a] = CLASS_PAIR,
		[0x0b ... 0x0c] = CLASS_UNICODE, [0x0d] = CLASS_PAIR,
		[0x0e ... 0x1f] = CLASS_UNICODE, ['"'] = CLASS_PAIR,
		['&'] = CLASS_UNICODE,           ['<'] = CLASS_UNICODE,
		['>'] = CLASS_UNICODE,           ['\\'] = CLASS_PAIR,
		[0x80 ... 0xff] = CLASS_HIGH,
	};

	return classes[c];
}

size_t log_utf8_length(const unsigned char *s, size_t left)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t n;

	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		n = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		n = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		n = 4;
	else
		return 0;
	if (s[0] == 0xe0)
		low = 0xa0;
	else if (s[0] == 0xed)
		high = 0x9f;
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f;
	if (left < n || s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

static char *put_text(char *p, const char *text, size_t n)
{
	memcpy(p, text, n);
	return p + n;
}

/* Writes the sequence at s (first byte >= 0x80) and returns how many bytes of s it was. */
static size_t put_high(char **out, const unsigned char *s, size_t left)
{
	size_t n = log_utf8_length(s, left);

	if (n == 0) {
		*out = put_text(*out, "\\ufffd", 6);
		return 1;
	}
	/* U+2028 and U+2029 end a line in JavaScript. */
	if (n == 3 && s[0] == 0xe2 && s[1] == 0x80 && (s[2] == 0xa8 || s[2] == 0xa9))
		*out = put_text(*out, s[2] == 0xa8 ? "\\u2028" : "\\u2029", 6);
	else
		*out = put_text(*out, (const char *)s, n);
	return n;
}

static char *put_escaped(char *p, const unsigned char *s, size_t n)
{
	static const char hex[] = "0123456789abcdef";
	size_t i = 0;

	while (i < n) {
		size_t start = i;

		while (i < n && class_of(s[i]) == CLASS_PLAIN)
			i++;
		p = put_text(p, (const char *)s + start, i - start);
		if (i == n)
			break;
		switch (class_of(s[i])) {
		case CLASS_PAIR:
			*p++ = '\\';
			*p++ = s[i] == '\n' ? 'n' : s[i] == '\r' ? 'r' : (char)s[i];
			i++;
			break;
		case CLASS_UNICODE:
			p = put_text(p, "\\u00", 4);
			*p++ = hex[s[i] >> 4];
			*p++ = hex[s[i] & 15];
			i++;
			break;
		default:
			i += put_high(&p, s + i, n - i);
			break;
		}
	}
	return p;
}

#define PUT(p, literal) put_text(p, literal, sizeof(literal) - 1)

static size_t json_record(char *out, const struct log_record *r)
{
	char *p = PUT(out, "{");

	if (r->len > 0 || r->full) {
		p = PUT(p, "\"log\":\"");
		p = put_escaped(p, (const unsigned char *)r->text, r->len);
		if (r->full)
			p = PUT(p, "\\n");
		p = PUT(p, "\",");
	}
	if (r->stream == LOG_STDERR)
		p = PUT(p, "\"stream\":\"stderr\",\"time\":\"");
	else
		p = PUT(p, "\"stream\":\"stdout\",\"time\":\"");
	p = put_text(p, r->time, r->time_len);
	p = PUT(p, "\"}\n");
	return (size_t)(p - out);
}

const struct log_format_ops log_json_ops = {
	.record = json_record,
	.expand = 6,
	.overhead = 128,
	.trim_zeros = true,
	.first_time = true,
	.keep_utf8 = true,
};
