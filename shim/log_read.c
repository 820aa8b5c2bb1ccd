// SPDX-License-Identifier: Apache-2.0
/*
 * Parsers of the two record formats; see log_read.h.
 */
#include "shim/log_read.h"

#include <stdint.h>

static bool stream_of(const char *s, size_t n, enum log_stream *ret)
{
	if (n != 6)
		return false;
	if (memcmp(s, "stdout", 6) == 0)
		*ret = LOG_STDOUT;
	else if (memcmp(s, "stderr", 6) == 0)
		*ret = LOG_STDERR;
	else
		return false;
	return true;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "YYYY-MM-DDTHH:MM:SS" and a zone somewhere behind it. */
static bool is_time(const char *s, size_t n)
{
	static const char shape[] = "0000-00-00T00:00:00";

	if (n < sizeof(shape))
		return false;
	for (size_t i = 0; i < sizeof(shape) - 1; i++)
		if (shape[i] == '0' ? !is_digit(s[i]) : s[i] != shape[i])
			return false;
	for (size_t i = sizeof(shape) - 1; i < n; i++)
		if (!is_digit(s[i]) && (s[i] == '\0' || !strchr(".Z+-:", s[i])))
			return false;
	return true;
}

/* TIME STREAM TAG[:TAG...] TEXT */
static bool read_cri(char *line, size_t n, struct log_line *ret)
{
	const char *end = line + n;
	char *stream, *tag, *text;

	stream = memchr(line, ' ', n);
	if (!stream || !is_time(line, (size_t)(stream - line)))
		return false;
	ret->time = line;
	ret->time_len = (size_t)(stream - line);
	stream++;
	tag = memchr(stream, ' ', (size_t)(end - stream));
	if (!tag || !stream_of(stream, (size_t)(tag - stream), &ret->stream))
		return false;
	tag++;
	text = memchr(tag, ' ', (size_t)(end - tag));
	if (!text || text == tag)
		return false;
	/* As kubelet: only the first tag counts, and all but P ends the line. */
	ret->full = !(tag[0] == 'P' && (tag[1] == ' ' || tag[1] == ':'));
	ret->text = text + 1;
	ret->len = (size_t)(end - text - 1);
	return true;
}

struct cursor {
	char *p, *end;
};

static bool eat(struct cursor *c, const char *literal)
{
	size_t n = strlen(literal);

	if ((size_t)(c->end - c->p) < n || memcmp(c->p, literal, n) != 0)
		return false;
	c->p += n;
	return true;
}

static void skip_blanks(struct cursor *c)
{
	while (c->p < c->end && (*c->p == ' ' || *c->p == '\t' || *c->p == '\r'))
		c->p++;
}

static int hex4(const char *s, const char *end)
{
	int v = 0;

	if (end - s < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		int c = s[i] | 0x20;

		if (is_digit(s[i]))
			v = v * 16 + s[i] - '0';
		else if (c >= 'a' && c <= 'f')
			v = v * 16 + c - 'a' + 10;
		else
			return -1;
	}
	return v;
}

/* Never longer than the six bytes of an escape. */
static char *put_utf8(char *out, uint32_t v)
{
	if (v < 0x80) {
		*out++ = (char)v;
	} else if (v < 0x800) {
		*out++ = (char)(0xc0 | v >> 6);
		*out++ = (char)(0x80 | (v & 0x3f));
	} else if (v < 0x10000) {
		*out++ = (char)(0xe0 | v >> 12);
		*out++ = (char)(0x80 | (v >> 6 & 0x3f));
		*out++ = (char)(0x80 | (v & 0x3f));
	} else {
		*out++ = (char)(0xf0 | v >> 18);
		*out++ = (char)(0x80 | (v >> 12 & 0x3f));
		*out++ = (char)(0x80 | (v >> 6 & 0x3f));
		*out++ = (char)(0x80 | (v & 0x3f));
	}
	return out;
}

/* \uXXXX at c->p (behind the u), with a second one for a surrogate pair. */
static bool read_unicode(struct cursor *c, char **out)
{
	int v = hex4(c->p, c->end), low;

	if (v < 0)
		return false;
	c->p += 4;
	if (v >= 0xd800 && v < 0xe000) {
		low = c->end - c->p >= 6 && c->p[0] == '\\' && c->p[1] == 'u'
			      ? hex4(c->p + 2, c->end)
			      : -1;
		if (v < 0xdc00 && low >= 0xdc00 && low < 0xe000) {
			c->p += 6;
			*out = put_utf8(*out, 0x10000 + (((uint32_t)v - 0xd800) << 10) +
						      ((uint32_t)low - 0xdc00));
			return true;
		}
		v = 0xfffd;
	}
	*out = put_utf8(*out, (uint32_t)v);
	return true;
}

static bool read_escape(struct cursor *c, char **out)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *at;

	if (c->p == c->end || *c->p == '\0')
		return false;
	if (*c->p == 'u') {
		c->p++;
		return read_unicode(c, out);
	}
	at = strchr(from, *c->p);
	if (!at)
		return false;
	*(*out)++ = to[at - from];
	c->p++;
	return true;
}

/* A string at c->p, unescaped in place. */
static bool read_string(struct cursor *c, char **ret, size_t *ret_len)
{
	char *out;

	if (!eat(c, "\""))
		return false;
	*ret = out = c->p;
	while (c->p < c->end && *c->p != '"') {
		if (*c->p != '\\') {
			*out++ = *c->p++;
			continue;
		}
		c->p++;
		if (!read_escape(c, &out))
			return false;
	}
	*ret_len = (size_t)(out - *ret);
	return eat(c, "\"");
}

/* Skips any value ("attrs" is an object of strings); how it is nested matters, not what it is. */
static bool skip_value(struct cursor *c)
{
	unsigned int depth = 0;
	char *s;
	size_t n;

	for (;;) {
		skip_blanks(c);
		if (c->p == c->end)
			return false;
		if (*c->p == '"') {
			if (!read_string(c, &s, &n))
				return false;
		} else if (depth == 0 && (*c->p == ',' || *c->p == '}')) {
			return true;
		} else {
			if (*c->p == '{' || *c->p == '[')
				depth++;
			else if ((*c->p == '}' || *c->p == ']') && depth-- == 0)
				return false;
			c->p++;
		}
	}
}

static bool read_member(struct cursor *c, struct log_line *ret, bool *has_time)
{
	char *key, *value;
	size_t key_len, n;

	skip_blanks(c);
	if (!read_string(c, &key, &key_len))
		return false;
	skip_blanks(c);
	if (!eat(c, ":"))
		return false;
	skip_blanks(c);
	if (key_len == 3 && memcmp(key, "log", 3) == 0) {
		if (!read_string(c, &ret->text, &ret->len))
			return false;
		ret->full = ret->len > 0 && ret->text[ret->len - 1] == '\n';
		ret->len -= ret->full;
	} else if (key_len == 6 && memcmp(key, "stream", 6) == 0) {
		return read_string(c, &value, &n) && stream_of(value, n, &ret->stream);
	} else if (key_len == 4 && memcmp(key, "time", 4) == 0) {
		if (!read_string(c, &value, &n) || !is_time(value, n))
			return false;
		ret->time = value;
		ret->time_len = n;
		*has_time = true;
	} else {
		return skip_value(c);
	}
	return true;
}

static bool read_json(char *line, size_t n, struct log_line *ret)
{
	struct cursor c = { .p = line, .end = line + n };
	bool has_time = false;

	*ret = (struct log_line){ .text = line };
	skip_blanks(&c);
	if (!eat(&c, "{"))
		return false;
	do {
		if (!read_member(&c, ret, &has_time))
			return false;
		skip_blanks(&c);
	} while (eat(&c, ","));
	if (!eat(&c, "}"))
		return false;
	skip_blanks(&c);
	return c.p == c.end && has_time;
}

bool log_read_format(const char *line, size_t n, enum log_format *ret)
{
	const char *space = memchr(line, ' ', n);

	if (n > 0 && line[0] == '{') {
		*ret = LOG_FORMAT_JSON;
		return true;
	}
	if (!space || !is_time(line, (size_t)(space - line)))
		return false;
	*ret = LOG_FORMAT_CRI;
	return true;
}

bool log_read_line(enum log_format format, char *line, size_t n, struct log_line *ret)
{
	return format == LOG_FORMAT_JSON ? read_json(line, n, ret) : read_cri(line, n, ret);
}
