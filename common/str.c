/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The string builder, the checked number parsers and the names of signals. A growing builder that
 * finds no memory ends the program: it is used only where that is allowed (see arena.h).
 */
#include "common/str.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

#include "common/arena.h"

void str_done(struct str *s)
{
	if (!s->fixed)
		free(s->data);
	*s = (struct str){ 0 };
}

void str_reset(struct str *s)
{
	s->len = 0;
	s->overflow = false;
	if (s->data && s->cap > 0)
		s->data[0] = '\0';
}

/* Makes room for n more bytes and the NUL. False in a fixed builder that is full. */
static bool reserve(struct str *s, size_t n)
{
	size_t want;
	char *data;

	if (n < s->cap - s->len)
		return true;
	if (s->fixed)
		return false;
	if (n > SIZE_MAX / 2 - s->len - 1)
		arena_out_of_memory();
	want = MAX(s->cap * 2, s->len + n + 1);
	want = MAX(want, (size_t)64);
	data = realloc(s->data, want);
	if (!data)
		arena_out_of_memory();
	s->data = data;
	s->cap = want;
	return true;
}

void str_add_n(struct str *s, const char *data, size_t n)
{
	if (s->overflow || (s->fixed && s->cap == 0)) {
		s->overflow = true;
		return;
	}
	if (!reserve(s, n)) {
		s->overflow = true;
		n = s->cap - s->len - 1;
	}
	if (n)
		memcpy(s->data + s->len, data, n);
	s->len += n;
	s->data[s->len] = '\0';
}

void str_add(struct str *s, const char *text)
{
	str_add_n(s, text, strlen(text));
}

void str_add_char(struct str *s, char c)
{
	str_add_n(s, &c, 1);
}

void str_addf(struct str *s, const char *fmt, ...)
{
	char small[256];
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(small, sizeof(small), fmt, args);
	va_end(args);
	if (n < 0)
		return;
	if ((size_t)n < sizeof(small)) {
		str_add_n(s, small, (size_t)n);
		return;
	}
	if (s->overflow || (s->fixed && s->cap == 0)) {
		s->overflow = true;
		return;
	}
	if (!reserve(s, (size_t)n))
		s->overflow = true;
	va_start(args, fmt);
	vsnprintf(s->data + s->len, s->cap - s->len, fmt, args);
	va_end(args);
	s->len += MIN((size_t)n, s->cap - s->len - 1);
}

size_t utf8_decode(const char *data, size_t n, uint32_t *ret_rune)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *p = (const unsigned char *)data;
	uint32_t rune;
	size_t len;

	if (n == 0)
		return 0;
	if (p[0] < 0x80) {
		*ret_rune = p[0];
		return 1;
	}
	if ((p[0] & 0xe0) == 0xc0)
		len = 2;
	else if ((p[0] & 0xf0) == 0xe0)
		len = 3;
	else if ((p[0] & 0xf8) == 0xf0)
		len = 4;
	else
		return 0;
	if (len > n)
		return 0;
	rune = p[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		rune = rune << 6 | (p[i] & 0x3fu);
	}
	if (rune < least[len] || rune > 0x10ffff || (rune >= 0xd800 && rune <= 0xdfff))
		return 0;
	*ret_rune = rune;
	return len;
}

/*
 * What Go's unicode.IsPrint refuses, as far as it matters on a terminal: controls, spaces other
 * than ' ', format characters (bidirectional overrides among them), private use, non-characters.
 * Code points that are merely unassigned count as printable.
 */
static bool is_printable(uint32_t rune)
{
	static const struct {
		uint32_t first, last;
	} hidden[] = {
		{ 0x0, 0x1f },        { 0x7f, 0xa0 },        { 0xad, 0xad },
		{ 0x600, 0x605 },     { 0x61c, 0x61c },      { 0x6dd, 0x6dd },
		{ 0x70f, 0x70f },     { 0x8e2, 0x8e2 },      { 0x1680, 0x1680 },
		{ 0x180e, 0x180e },   { 0x2000, 0x200f },    { 0x2028, 0x202f },
		{ 0x205f, 0x206f },   { 0x3000, 0x3000 },    { 0xe000, 0xf8ff },
		{ 0xfdd0, 0xfdef },   { 0xfeff, 0xfeff },    { 0xfff0, 0xfffb },
		{ 0xfffe, 0xffff },   { 0x1bca0, 0x1bca3 },  { 0x1d173, 0x1d17a },
		{ 0xe0000, 0xe00ff }, { 0xe01f0, 0x10ffff },
	};

	for (size_t i = 0; i < ARRAY_COUNT(hidden); i++)
		if (rune >= hidden[i].first && rune <= hidden[i].last)
			return false;
	return true;
}

static void add_quoted_rune(struct str *s, const char *data, size_t len, uint32_t rune)
{
	static const char from[] = "\a\b\f\n\r\t\v\\\"", to[] = "abfnrtv\\\"";
	const char *special = rune && rune < 0x80 ? strchr(from, (int)rune) : NULL;

	if (special) {
		str_add_char(s, '\\');
		str_add_char(s, to[special - from]);
	} else if (is_printable(rune)) {
		str_add_n(s, data, len);
	} else if (rune < 0x80) {
		str_addf(s, "\\x%02x", (unsigned int)rune);
	} else if (rune < 0x10000) {
		str_addf(s, "\\u%04x", (unsigned int)rune);
	} else {
		str_addf(s, "\\U%08x", (unsigned int)rune);
	}
}

void str_add_quoted(struct str *s, const char *text)
{
	size_t left = strlen(text), len;
	uint32_t rune;

	str_add_char(s, '"');
	for (; left > 0; text += len, left -= len) {
		len = utf8_decode(text, left, &rune);
		if (len > 0) {
			add_quoted_rune(s, text, len, rune);
		} else {
			len = 1;
			str_addf(s, "\\x%02x", (unsigned int)(unsigned char)*text);
		}
	}
	str_add_char(s, '"');
}

char *str_take(struct str *s)
{
	char *data;

	if (s->fixed || !s->data) {
		data = strdup(s->data ? s->data : "");
		if (!data)
			arena_out_of_memory();
	} else {
		data = s->data;
		s->data = NULL;
		s->cap = 0;
	}
	str_reset(s);
	s->len = 0;
	return data;
}

static void put_digits(char *out, unsigned int value, int width)
{
	while (width > 0) {
		out[--width] = (char)('0' + value % 10);
		value /= 10;
	}
}

void str_format_second(int64_t second, char ret[STR_SECOND_SIZE])
{
	int64_t days = second / 86400, rest = second % 86400;

	if (rest < 0) {
		rest += 86400;
		days--;
	}
	/* Days since 0000-03-01, so that the leap day is the last of its year. */
	days += 719468;
	int64_t era = (days >= 0 ? days : days - 146096) / 146097;
	unsigned int doe = (unsigned int)(days - era * 146097);
	unsigned int yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	unsigned int doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	unsigned int mp = (5 * doy + 2) / 153;
	unsigned int month = mp < 10 ? mp + 3 : mp - 9;
	int64_t year = (int64_t)yoe + era * 400 + (month <= 2);

	memcpy(ret, "0000-00-00T00:00:00", STR_SECOND_SIZE);
	put_digits(ret, (unsigned int)MIN(MAX(year, 0), 9999), 4);
	put_digits(ret + 5, month, 2);
	put_digits(ret + 8, doy - (153 * mp + 2) / 5 + 1, 2);
	put_digits(ret + 11, (unsigned int)(rest / 3600), 2);
	put_digits(ret + 14, (unsigned int)(rest / 60 % 60), 2);
	put_digits(ret + 17, (unsigned int)(rest % 60), 2);
}

int parse_u64(const char *s, int base, uint64_t *ret)
{
	unsigned long long v;
	char *end;

	/* strtoull accepts blanks, signs and (base 16, 0) a prefix; a digit must come first. */
	if (!isalnum((unsigned char)*s))
		return -EINVAL;
	if (base == 16 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X'))
		return -EINVAL;
	errno = 0;
	v = strtoull(s, &end, base);
	if (end == s || *end != '\0')
		return -EINVAL;
	if (errno == ERANGE)
		return -ERANGE;
	*ret = v;
	return 0;
}

int parse_i64(const char *s, int base, int64_t *ret)
{
	bool negative = *s == '-';
	uint64_t v;
	int r;

	r = parse_u64(s + negative, base, &v);
	if (r < 0)
		return r;
	if (v > (uint64_t)INT64_MAX + negative)
		return -ERANGE;
	*ret = negative ? (int64_t)(0 - v) : (int64_t)v;
	return 0;
}

int parse_u32(const char *s, int base, uint32_t *ret)
{
	uint64_t v;
	int r;

	r = parse_u64(s, base, &v);
	if (r < 0)
		return r;
	if (v > UINT32_MAX)
		return -ERANGE;
	*ret = (uint32_t)v;
	return 0;
}

int parse_int(const char *s, int *ret)
{
	int64_t v;
	int r;

	r = parse_i64(s, 10, &v);
	if (r < 0)
		return r;
	if (v < INT_MIN || v > INT_MAX)
		return -ERANGE;
	*ret = (int)v;
	return 0;
}

/* The first name of a number is the one that signal_name gives. */
static const struct {
	int number;
	const char *name;
} signals[] = {
	{ SIGHUP, "SIGHUP" },       { SIGINT, "SIGINT" },     { SIGQUIT, "SIGQUIT" },
	{ SIGILL, "SIGILL" },       { SIGTRAP, "SIGTRAP" },   { SIGABRT, "SIGABRT" },
	{ SIGABRT, "SIGIOT" },      { SIGBUS, "SIGBUS" },     { SIGFPE, "SIGFPE" },
	{ SIGKILL, "SIGKILL" },     { SIGUSR1, "SIGUSR1" },   { SIGSEGV, "SIGSEGV" },
	{ SIGUSR2, "SIGUSR2" },     { SIGPIPE, "SIGPIPE" },   { SIGALRM, "SIGALRM" },
	{ SIGTERM, "SIGTERM" },     { SIGCHLD, "SIGCHLD" },   { SIGCHLD, "SIGCLD" },
	{ SIGCONT, "SIGCONT" },     { SIGSTOP, "SIGSTOP" },   { SIGTSTP, "SIGTSTP" },
	{ SIGTTIN, "SIGTTIN" },     { SIGTTOU, "SIGTTOU" },   { SIGURG, "SIGURG" },
	{ SIGXCPU, "SIGXCPU" },     { SIGXFSZ, "SIGXFSZ" },   { SIGPROF, "SIGPROF" },
	{ SIGVTALRM, "SIGVTALRM" }, { SIGWINCH, "SIGWINCH" }, { SIGIO, "SIGIO" },
	{ SIGIO, "SIGPOLL" },       { SIGPWR, "SIGPWR" },     { SIGSYS, "SIGSYS" },
#ifdef SIGSTKFLT
	{ SIGSTKFLT, "SIGSTKFLT" },
#endif
};

int parse_signal(const char *s)
{
	int number;

	if (parse_int(s, &number) == 0)
		return number >= 0 && number < _NSIG ? number : -EINVAL;
	if (strncasecmp(s, "SIG", 3) == 0)
		s += 3;
	for (size_t i = 0; i < ARRAY_COUNT(signals); i++)
		if (strcasecmp(s, signals[i].name + 3) == 0)
			return signals[i].number;
	return -EINVAL;
}

const char *signal_name(int sig, char *buf, size_t size)
{
	for (size_t i = 0; i < ARRAY_COUNT(signals); i++)
		if (signals[i].number == sig)
			return signals[i].name;
	snprintf(buf, size, "signal %d", sig);
	return buf;
}
