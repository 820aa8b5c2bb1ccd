/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of D-Bus as text: what org.systemd.property.* annotations hold, and what golden plans show.
 * Annotations may come from an image, so everything has a limit and nothing is guessed.
 */
#include "runtime/plan_systemd.h"

#include <errno.h>
#include <inttypes.h>

#define TEXT_MAX 65536
#define DEPTH_MAX 8
#define ITEMS_MAX 1024

struct parse {
	struct arena *arena;
	const char *at;
	struct err *err;
	unsigned int depth;
};

static const struct {
	const char *word;
	char type;
} type_words[] = {
	{ "boolean", 'b' }, { "byte", 'y' },   { "int16", 'n' },      { "uint16", 'q' },
	{ "int32", 'i' },   { "uint32", 'u' }, { "int64", 'x' },      { "uint64", 't' },
	{ "double", 'd' },  { "string", 's' }, { "objectpath", 'o' }, { "signature", 'g' },
};

static int refuse(struct parse *p, const char *why)
{
	return err_set(p->err, EINVAL, "%s at \"%.32s\"", why, p->at);
}

static void skip_blanks(struct parse *p)
{
	p->at += strspn(p->at, " \t\n");
}

static bool is_word_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

static bool take_word(struct parse *p, const char *word)
{
	size_t n = strlen(word);

	if (strncmp(p->at, word, n) != 0 || is_word_char(p->at[n]))
		return false;
	p->at += n;
	return true;
}

static int parse_any(struct parse *p, const char *type, struct unit_value *ret);

/* Length of the one complete type that `type` begins with, 0 if there is none. */
static size_t type_len(const char *type, unsigned int depth)
{
	size_t n = 1, one;

	if (*type && strchr("bynqiuxtdsog", *type))
		return 1;
	if (depth >= DEPTH_MAX)
		return 0;
	if (*type == 'a') {
		one = type_len(type + 1, depth + 1);
		return one ? one + 1 : 0;
	}
	if (*type != '(')
		return 0;
	while (type[n] != ')') {
		one = type_len(type + n, depth + 1);
		if (!one)
			return 0;
		n += one;
	}
	return n > 1 ? n + 1 : 0;
}

/* ---- strings ---- */

static int hex_rune(struct parse *p, size_t digits, struct str *out)
{
	char number[9] = "";
	uint64_t rune;

	if (strspn(p->at, "0123456789abcdefABCDEF") < digits)
		return refuse(p, "bad \\u escape");
	memcpy(number, p->at, digits);
	if (parse_u64(number, 16, &rune) < 0 || !rune || rune > 0x10ffff ||
	    (rune >= 0xd800 && rune <= 0xdfff))
		return refuse(p, "bad \\u escape");
	p->at += digits;
	if (rune < 0x80) {
		str_add_char(out, (char)rune);
	} else if (rune < 0x800) {
		str_add_char(out, (char)(0xc0 | rune >> 6));
		str_add_char(out, (char)(0x80 | (rune & 0x3f)));
	} else if (rune < 0x10000) {
		str_add_char(out, (char)(0xe0 | rune >> 12));
		str_add_char(out, (char)(0x80 | (rune >> 6 & 0x3f)));
		str_add_char(out, (char)(0x80 | (rune & 0x3f)));
	} else {
		str_add_char(out, (char)(0xf0 | rune >> 18));
		str_add_char(out, (char)(0x80 | (rune >> 12 & 0x3f)));
		str_add_char(out, (char)(0x80 | (rune >> 6 & 0x3f)));
		str_add_char(out, (char)(0x80 | (rune & 0x3f)));
	}
	return 0;
}

static int parse_escape(struct parse *p, struct str *out)
{
	static const char from[] = "abfnrtv\\'\"", to[] = "\a\b\f\n\r\t\v\\'\"";
	char c = *p->at;
	const char *known = c ? strchr(from, c) : NULL;

	if (c == 'u' || c == 'U') {
		p->at++;
		return hex_rune(p, c == 'u' ? 4 : 8, out);
	}
	if (!known)
		return refuse(p, "unknown escape");
	p->at++;
	str_add_char(out, to[known - from]);
	return 0;
}

static int parse_text(struct parse *p, struct unit_value *ret)
{
	CLEANUP_STR struct str out = { 0 };
	char quote = *p->at;
	int r = 0;

	if (quote != '\'' && quote != '"')
		return refuse(p, "no string");
	p->at++;
	while (r >= 0 && *p->at != quote) {
		uint32_t rune;
		size_t n;

		if (!*p->at)
			return refuse(p, "unterminated string");
		if (*p->at == '\\') {
			p->at++;
			r = parse_escape(p, &out);
			continue;
		}
		n = utf8_decode(p->at, strlen(p->at), &rune);
		if (!n)
			return refuse(p, "no UTF-8");
		str_add_n(&out, p->at, n);
		p->at += n;
	}
	if (r < 0)
		return r;
	p->at++;
	ret->text = arena_strdup(p->arena, out.data ? out.data : "");
	return 0;
}

/* ---- numbers ---- */

/* Decimal, with a fraction and an exponent or not; no locale, and no more digits than a double
 * has. */
static int parse_real(struct parse *p, const char *word, double *ret)
{
	const char *s = word + (*word == '-' || *word == '+');
	double value = 0, scale = 1;
	int64_t exponent = 0;
	size_t digits = 0;

	for (; *s >= '0' && *s <= '9'; s++, digits++)
		value = value * 10 + (*s - '0');
	if (*s == '.')
		for (s++; *s >= '0' && *s <= '9'; s++, digits++) {
			scale *= 10;
			value += (*s - '0') / scale;
		}
	if ((*s == 'e' || *s == 'E') && (parse_i64(s + 1 + (s[1] == '+'), 10, &exponent) < 0 ||
					 exponent > 300 || exponent < -300))
		return refuse(p, "bad exponent");
	if (!digits || (*s && *s != 'e' && *s != 'E'))
		return refuse(p, "no number");
	for (; exponent > 0; exponent--)
		value *= 10;
	for (; exponent < 0; exponent++)
		value /= 10;
	*ret = *word == '-' ? -value : value;
	return 0;
}

static const struct {
	char type;
	int64_t min;
	uint64_t max;
} ranges[] = {
	{ 'y', 0, UINT8_MAX },         { 'n', INT16_MIN, INT16_MAX }, { 'q', 0, UINT16_MAX },
	{ 'i', INT32_MIN, INT32_MAX }, { 'u', 0, UINT32_MAX },        { 'x', INT64_MIN, INT64_MAX },
	{ 't', 0, UINT64_MAX },
};

static int parse_integer(struct parse *p, const char *word, struct unit_value *ret)
{
	const char *digits = word + (*word == '-' || *word == '+');
	int base = digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X') ? 16 : 10;
	uint64_t value;
	size_t i = 0;

	/* GVariant would take it as octal, people as decimal. */
	if (base == 10 && digits[0] == '0' && digits[1])
		return refuse(p, "a number with a leading zero");
	if (parse_u64(digits + (base == 16 ? 2 : 0), base, &value) < 0)
		return refuse(p, "no number");
	while (ranges[i].type != ret->type)
		i++;
	if (value > (*word == '-' ? 0 - (uint64_t)ranges[i].min : ranges[i].max))
		return refuse(p, "number out of range");
	ret->number = *word == '-' ? 0 - value : value;
	return 0;
}

static int parse_number(struct parse *p, struct unit_value *ret)
{
	size_t n = strcspn(p->at, " \t\n,)]");
	char word[64];
	int r;

	if (!n || n >= sizeof(word))
		return refuse(p, "no value");
	memcpy(word, p->at, n);
	word[n] = '\0';
	if (!ret->type) {
		bool hex = strstr(word, "0x") || strstr(word, "0X");

		ret->type = !hex && strpbrk(word, ".eE") ? 'd' : 'i';
	}
	r = ret->type == 'd' ? parse_real(p, word, &ret->real) : parse_integer(p, word, ret);
	if (r >= 0)
		p->at += n;
	return r;
}

/* ---- containers ---- */

static struct unit_value *add_item(struct parse *p, struct unit_value *value)
{
	/* Grows when the count reaches a power of two. */
	if ((value->n & (value->n - 1)) == 0) {
		struct unit_value *more =
			ARENA_ARRAY(p->arena, value->n ? value->n * 2 : 1, struct unit_value);

		if (value->n)
			memcpy(more, value->items, value->n * sizeof(*more));
		value->items = more;
	}
	value->items[value->n] = (struct unit_value){ 0 };
	return &value->items[value->n++];
}

static const char *signature_of(struct parse *p, const struct unit_value *value)
{
	CLEANUP_STR struct str s = { 0 };

	unit_value_signature(value, &s);
	return arena_strdup(p->arena, s.data);
}

/* After an item: true if another one follows, false at `end`; -EINVAL otherwise. */
static int parse_separator(struct parse *p, char end, size_t n)
{
	skip_blanks(p);
	if (*p->at == end) {
		p->at++;
		return 0;
	}
	if (*p->at != ',')
		return refuse(p, "no comma");
	if (n >= ITEMS_MAX)
		return refuse(p, "too many items");
	p->at++;
	skip_blanks(p);
	return 1;
}

/* `element`: the type that its elements must have, NULL: that of the first one. */
static int parse_array(struct parse *p, const char *element, struct unit_value *ret)
{
	int r = 1;

	ret->type = 'a';
	ret->text = element;
	p->at++;
	skip_blanks(p);
	if (*p->at == ']') {
		p->at++;
		return element ? 0 : refuse(p, "an empty array without a type");
	}
	while (r > 0) {
		struct unit_value *item = add_item(p, ret);

		r = parse_any(p, ret->text, item);
		if (r < 0)
			return r;
		if (!ret->text)
			ret->text = signature_of(p, item);
		r = parse_separator(p, ']', ret->n);
	}
	return r;
}

static int parse_struct(struct parse *p, const char *type, struct unit_value *ret)
{
	const char *member = type ? type + 1 : NULL;
	int r = 1;

	ret->type = '(';
	p->at++;
	skip_blanks(p);
	while (r > 0) {
		size_t n = member ? type_len(member, p->depth) : 0;
		const char *one = n ? arena_strndup(p->arena, member, n) : NULL;

		if (member && !n)
			return refuse(p, "too many members");
		r = parse_any(p, one, add_item(p, ret));
		if (r < 0)
			return r;
		member = member ? member + n : NULL;
		r = parse_separator(p, ')', ret->n);
		/* A struct of one is written "(x,)". */
		if (r > 0 && *p->at == ')') {
			if (ret->n != 1)
				return refuse(p, "no value");
			p->at++;
			r = 0;
		}
	}
	if (r >= 0 && member && *member != ')')
		return refuse(p, "too few members");
	return r;
}

/* ---- any ---- */

/* "@as" or "uint64": *ret_type is the type that was given. */
static int parse_type_prefix(struct parse *p, const char **ret_type)
{
	size_t n;

	*ret_type = NULL;
	if (*p->at == '@') {
		n = type_len(p->at + 1, 0);
		if (!n)
			return refuse(p, "unknown type");
		*ret_type = arena_strndup(p->arena, p->at + 1, n);
		p->at += 1 + n;
		skip_blanks(p);
		return 0;
	}
	for (size_t i = 0; i < ARRAY_COUNT(type_words); i++) {
		if (!take_word(p, type_words[i].word))
			continue;
		*ret_type = arena_printf(p->arena, "%c", type_words[i].type);
		skip_blanks(p);
		return 0;
	}
	return 0;
}

static int parse_simple(struct parse *p, const char *type, struct unit_value *ret)
{
	char c = *p->at;

	ret->type = type ? *type : 0;
	if (c == '\'' || c == '"') {
		if (type && !strchr("sog", *type))
			return refuse(p, "a string where none is expected");
		ret->type = type ? *type : 's';
		return parse_text(p, ret);
	}
	if (strncmp(p->at, "true", 4) == 0 || strncmp(p->at, "false", 5) == 0) {
		if (type && *type != 'b')
			return refuse(p, "a boolean where none is expected");
		ret->type = 'b';
		ret->number = take_word(p, "true");
		return ret->number || take_word(p, "false") ? 0 : refuse(p, "no value");
	}
	if (type && !strchr("ynqiuxtd", *type))
		return refuse(p, "a value of another type");
	return parse_number(p, ret);
}

static int parse_any(struct parse *p, const char *type, struct unit_value *ret)
{
	const char *given;
	int r;

	if (p->depth >= DEPTH_MAX)
		return refuse(p, "too deep");
	r = parse_type_prefix(p, &given);
	if (r < 0)
		return r;
	if (given && type && !str_eq(given, type))
		return refuse(p, "elements of different types");
	if (given)
		type = given;
	p->depth++;
	if (*p->at == '[' && (!type || *type == 'a'))
		r = parse_array(p, type ? type + 1 : NULL, ret);
	else if (*p->at == '(' && (!type || *type == '('))
		r = parse_struct(p, type, ret);
	else if (*p->at && strchr("[({<", *p->at))
		r = refuse(p, "a value of another or of an unsupported type");
	else
		r = parse_simple(p, type, ret);
	p->depth--;
	return r;
}

int unit_value_parse(struct arena *arena, const char *text, struct unit_value *ret, struct err *err)
{
	struct parse p = { .arena = arena, .at = text, .err = err };
	int r;

	*ret = (struct unit_value){ 0 };
	if (strlen(text) > TEXT_MAX)
		return err_set(err, E2BIG, "more than %d bytes", TEXT_MAX);
	skip_blanks(&p);
	r = parse_any(&p, NULL, ret);
	if (r < 0)
		return r;
	skip_blanks(&p);
	return *p.at ? refuse(&p, "more than one value") : 0;
}

/* ---- out ---- */

void unit_value_signature(const struct unit_value *value, struct str *out)
{
	if (value->type == 'a') {
		str_addf(out, "a%s", value->text);
		return;
	}
	str_add_char(out, value->type);
	if (value->type != '(')
		return;
	for (size_t i = 0; i < value->n; i++)
		unit_value_signature(&value->items[i], out);
	str_add_char(out, ')');
}

static void print_items(const struct unit_value *value, const char *ends, struct str *out)
{
	str_add_char(out, ends[0]);
	for (size_t i = 0; i < value->n; i++) {
		if (i)
			str_add(out, ", ");
		unit_value_print(&value->items[i], out);
	}
	str_add_char(out, ends[1]);
}

void unit_value_print(const struct unit_value *value, struct str *out)
{
	switch (value->type) {
	case 'a':
		print_items(value, "[]", out);
		break;
	case '(':
		print_items(value, "()", out);
		break;
	case 'b':
		str_add(out, value->number ? "true" : "false");
		break;
	case 'd':
		str_addf(out, "%.17g", value->real);
		break;
	case 's':
	case 'o':
	case 'g':
		str_add_quoted(out, value->text);
		break;
	case 'n':
	case 'i':
	case 'x':
		str_addf(out, "%" PRId64, (int64_t)value->number);
		break;
	default:
		str_addf(out, "%" PRIu64, value->number);
	}
}
