// SPDX-License-Identifier: Apache-2.0
/* The record formats and the splitting of lines, by table. */
#include "shim/log_frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/str.h"

static const struct timespec t0 = { .tv_sec = 1767323045, .tv_nsec = 123456789 };
static const struct timespec t1 = { .tv_sec = 1767323046, .tv_nsec = 120000000 };

struct fixture {
	struct log_framer framer;
	struct log_batch batch;
};

static void fixture_init(struct fixture *f, enum log_format format)
{
	log_framer_init(&f->framer, format);
	f->batch = (struct log_batch){ .cap = 1 << 20, .max_marks = 100000 };
	f->batch.buf = malloc(f->batch.cap);
	f->batch.marks = calloc(f->batch.max_marks, sizeof(struct log_mark));
	assert_non_null(f->batch.buf);
	assert_non_null(f->batch.marks);
}

static void fixture_done(struct fixture *f)
{
	log_framer_done(&f->framer);
	free(f->batch.buf);
	free(f->batch.marks);
}

static void put(struct fixture *f, enum log_stream stream, const char *data, size_t n,
		const struct timespec *when)
{
	assert_int_equal(log_frame_put(&f->framer, &f->batch, stream, data, n, when), n);
}

static void expect(const struct fixture *f, const char *want)
{
	assert_int_equal(f->batch.len, strlen(want));
	assert_memory_equal(f->batch.buf, want, f->batch.len);
}

#define T0 "2026-01-02T03:04:05.123456789Z"
#define T1 "2026-01-02T03:04:06.120000000Z"
#define T1_TRIMMED "2026-01-02T03:04:06.12Z"

/* in: bytes of stdout, then end of file; out: without the time. */
static const struct vector {
	const char *in, *cri, *json;
} vectors[] = {
	{ "", "", "" },
	{ "a\n", "F a\n", "\"a\\n\"\n" },
	{ "\n", "F \n", "\"\\n\"\n" },
	{ "a", "P a\n", "\"a\"\n" },
	{ "a\r\n", "F a\r\n", "\"a\\r\\n\"\n" },
	{ "a\nb", "F a\nP b\n", "\"a\\n\"\n\"b\"\n" },
	{ "\n\n", "F \nF \n", "\"\\n\"\n\"\\n\"\n" },
	{ "a<\tb\n", "F a<\tb\n", "\"a\\u003c\\u0009b\\n\"\n" },
	{ "q\"\\/>&\n", "F q\"\\/>&\n", "\"q\\\"\\\\/\\u003e\\u0026\\n\"\n" },
	{ "\x01\x1f\x7f\n", "F \x01\x1f\x7f\n", "\"\\u0001\\u001f\x7f\\n\"\n" },
	{ "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\n", "F \xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\n",
	  "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\\n\"\n" },
	{ "\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa\n", "F \xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa\n",
	  "\"\\u2028\\u2029\xe2\x80\xaa\\n\"\n" },
	/* Invalid: lone continuation, overlong, surrogate, above U+10FFFF, cut off. */
	{ "\x80\n", "F \x80\n", "\"\\ufffd\\n\"\n" },
	{ "\xc0\xaf\n", "F \xc0\xaf\n", "\"\\ufffd\\ufffd\\n\"\n" },
	{ "\xe0\x80\xaf\n", "F \xe0\x80\xaf\n", "\"\\ufffd\\ufffd\\ufffd\\n\"\n" },
	{ "\xed\xa0\x80\n", "F \xed\xa0\x80\n", "\"\\ufffd\\ufffd\\ufffd\\n\"\n" },
	{ "\xf4\x90\x80\x80\n", "F \xf4\x90\x80\x80\n", "\"\\ufffd\\ufffd\\ufffd\\ufffd\\n\"\n" },
	{ "\xe2\x82\n", "F \xe2\x82\n", "\"\\ufffd\\ufffd\\n\"\n" },
	{ "\xf0\x9f\x98", "P \xf0\x9f\x98\n", "\"\\ufffd\\ufffd\\ufffd\"\n" },
	{ "\xff"
	  "a\n",
	  "F \xff"
	  "a\n",
	  "\"\\ufffda\\n\"\n" },
};

/* The table's short form as whole records. */
static void expand(struct str *out, const char *text, enum log_format format)
{
	while (*text) {
		const char *end = strchr(text, '\n');

		assert_non_null(end);
		if (format == LOG_FORMAT_CRI) {
			str_addf(out, "%s stdout ", T0);
			str_add_n(out, text, (size_t)(end - text) + 1);
		} else {
			str_add(out, "{\"log\":");
			str_add_n(out, text, (size_t)(end - text));
			str_addf(out, ",\"stream\":\"stdout\",\"time\":\"%s\"}\n", T0);
		}
		text = end + 1;
	}
}

/* Every vector in both formats, fed whole and split at every byte. */
static void test_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(vectors); i++)
		for (int format = 0; format < 2; format++)
			for (size_t split = 0; split <= strlen(vectors[i].in); split++) {
				const struct vector *v = &vectors[i];
				CLEANUP_STR struct str want = { 0 };
				struct fixture f;

				fixture_init(&f, (enum log_format)format);
				expand(&want, format == LOG_FORMAT_CRI ? v->cri : v->json, format);
				put(&f, LOG_STDOUT, v->in, split, &t0);
				put(&f, LOG_STDOUT, v->in + split, strlen(v->in) - split, &t0);
				assert_true(log_frame_eof(&f.framer, &f.batch, LOG_STDOUT));
				expect(&f, want.data ? want.data : "");
				fixture_done(&f);
			}
}

static void test_nul_byte(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f, LOG_FORMAT_JSON);
	put(&f, LOG_STDERR, "\0x\n", 3, &t1);
	expect(&f, "{\"log\":\"\\u0000x\\n\",\"stream\":\"stderr\",\"time\":\"" T1_TRIMMED "\"}\n");
	fixture_done(&f);
}

static void test_times(void **state)
{
	static const struct {
		struct timespec when;
		const char *cri, *json;
	} rows[] = {
		{ { 0, 0 }, "1970-01-01T00:00:00.000000000Z", "1970-01-01T00:00:00Z" },
		{ { 951782400, 1 },
		  "2000-02-29T00:00:00.000000001Z",
		  "2000-02-29T00:00:00.000000001Z" },
		{ { 951868799, 500000000 },
		  "2000-02-29T23:59:59.500000000Z",
		  "2000-02-29T23:59:59.5Z" },
		{ { 4107542400, 999999999 },
		  "2100-03-01T00:00:00.999999999Z",
		  "2100-03-01T00:00:00.999999999Z" },
		{ { 1767323045, 100 },
		  "2026-01-02T03:04:05.000000100Z",
		  "2026-01-02T03:04:05.0000001Z" },
	};
	char buf[LOG_TIME_MAX];
	struct log_framer f;

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		log_framer_init(&f, LOG_FORMAT_CRI);
		assert_int_equal(log_frame_time(&f, &rows[i].when, buf), strlen(rows[i].cri));
		assert_string_equal(buf, rows[i].cri);
		log_framer_init(&f, LOG_FORMAT_JSON);
		log_frame_time(&f, &rows[i].when, buf);
		assert_string_equal(buf, rows[i].json);
	}
}

/* Content length and tag of each CRI record of n bytes of 'x' (and a newline). */
static void check_cri_pieces(size_t n, bool newline, size_t chunk, const char *want)
{
	CLEANUP_FREE char *data = malloc(n + 1);
	CLEANUP_STR struct str got = { 0 };
	struct fixture f;
	size_t start = 0;

	assert_non_null(data);
	memset(data, 'x', n);
	data[n] = '\n';
	fixture_init(&f, LOG_FORMAT_CRI);
	n += newline;
	for (size_t off = 0; off < n; off += chunk)
		put(&f, LOG_STDOUT, data + off, MIN(chunk, n - off), &t0);
	assert_true(log_frame_eof(&f.framer, &f.batch, LOG_STDOUT));
	for (size_t i = 0; i < f.batch.n_marks; i++) {
		size_t head = strlen(T0) + strlen(" stdout F ");

		str_addf(&got, "%c%zu ", f.batch.buf[start + head - 2],
			 f.batch.marks[i].end - start - head - 1);
		start = f.batch.marks[i].end;
	}
	assert_string_equal(got.data, want);
	fixture_done(&f);
}

static void test_cri_pieces(void **state)
{
	static const size_t chunks[] = { 1, 7, 4096, 16383, 16384, 16385, 1 << 20 };

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(chunks); i++) {
		check_cri_pieces(20000, true, chunks[i], "P16384 F3616 ");
		check_cri_pieces(16384, true, chunks[i], "F16384 ");
		check_cri_pieces(16384, false, chunks[i], "P16384 ");
		check_cri_pieces(16385, true, chunks[i], "P16384 F1 ");
		check_cri_pieces(32768, true, chunks[i], "P16384 F16384 ");
		check_cri_pieces(40000, false, chunks[i], "P16384 P16384 P7232 ");
	}
}

/* Docker's buffer is full before it sees the newline: a last piece with only "\n". */
static void test_json_pieces(void **state)
{
	struct fixture f;
	char data[16385];
	const char *last;

	(void)state;
	memset(data, 'x', sizeof(data));
	data[16384] = '\n';
	fixture_init(&f, LOG_FORMAT_JSON);
	put(&f, LOG_STDOUT, data, 16000, &t0);
	put(&f, LOG_STDOUT, data + 16000, 384, &t1);
	put(&f, LOG_STDOUT, data + 16384, 1, &t0);
	assert_int_equal(f.batch.n_marks, 2);
	last = f.batch.buf + f.batch.marks[0].end;
	f.batch.buf[f.batch.len] = '\0';
	/* All pieces carry the time of the first one. */
	assert_string_equal(last, "{\"log\":\"\\n\",\"stream\":\"stdout\",\"time\":\"" T1_TRIMMED
				  "\"}\n");
	assert_int_equal(f.batch.marks[0].bytes, 16384);
	assert_int_equal(f.batch.marks[1].bytes, 1);
	fixture_done(&f);
}

/* A piece never cuts a character: Docker's reader would join two replacement characters. */
static void test_json_utf8_at_the_cut(void **state)
{
	static const char euro[] = "\xe2\x82\xac";
	struct fixture f;
	char data[17000];

	(void)state;
	for (size_t at = 16380; at < 16386; at++)
		for (size_t split = 16378; split < 16390; split++) {
			memset(data, 'x', sizeof(data));
			memcpy(data + at, euro, 3);
			data[16999] = '\n';
			fixture_init(&f, LOG_FORMAT_JSON);
			put(&f, LOG_STDOUT, data, split, &t0);
			put(&f, LOG_STDOUT, data + split, sizeof(data) - split, &t0);
			assert_int_equal(f.batch.n_marks, 2);
			assert_int_equal(f.batch.marks[0].bytes + f.batch.marks[1].bytes, 17000);
			assert_true(f.batch.marks[0].bytes > 16380);
			assert_null(memmem(f.batch.buf, f.batch.len, "ufffd", 5));
			assert_non_null(memmem(f.batch.buf, f.batch.len, euro, 3));
			fixture_done(&f);
		}
}

static void test_streams_do_not_mix(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f, LOG_FORMAT_CRI);
	put(&f, LOG_STDOUT, "out", 3, &t0);
	put(&f, LOG_STDERR, "err\n", 4, &t0);
	put(&f, LOG_STDOUT, "put\n", 4, &t1);
	expect(&f, T0 " stderr F err\n" T1 " stdout F output\n");
	fixture_done(&f);
}

/* A batch that is full takes nothing, and the same bytes go into the next one. */
static void test_full_batch(void **state)
{
	struct fixture f;
	size_t n;

	(void)state;
	fixture_init(&f, LOG_FORMAT_CRI);
	f.batch.max_marks = 2;
	n = log_frame_put(&f.framer, &f.batch, LOG_STDOUT, "a\nb\nc\nd", 7, &t0);
	assert_int_equal(n, 4);
	f.batch.len = f.batch.n_marks = 0;
	assert_int_equal(log_frame_put(&f.framer, &f.batch, LOG_STDOUT, "c\nd", 3, &t0), 3);
	expect(&f, T0 " stdout F c\n");
	f.batch.max_marks = 1;
	assert_false(log_frame_eof(&f.framer, &f.batch, LOG_STDOUT));
	f.batch.len = f.batch.n_marks = 0;
	assert_true(log_frame_eof(&f.framer, &f.batch, LOG_STDOUT));
	expect(&f, T0 " stdout P d\n");
	fixture_done(&f);
}

static void test_marker(void **state)
{
	struct fixture f;
	static const char tail[] = " stderr F thole-shim: 77 bytes lost: no space left on device\n";

	(void)state;
	fixture_init(&f, LOG_FORMAT_CRI);
	put(&f, LOG_STDERR, "half", 4, &t0);
	log_frame_marker(&f.framer, &f.batch, 77, "no space left on device");
	assert_true(f.batch.marker);
	assert_int_equal(f.batch.marks[0].bytes, 0);
	assert_memory_equal(f.batch.buf + strlen(T0), tail, sizeof(tail) - 1);
	f.batch.len = f.batch.n_marks = 0;
	put(&f, LOG_STDERR, " line\n", 6, &t0);
	expect(&f, T0 " stderr F half line\n");
	fixture_done(&f);
}

static void test_trim_keeps_held_lines(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f, LOG_FORMAT_CRI);
	put(&f, LOG_STDOUT, "held", 4, &t0);
	put(&f, LOG_STDERR, "x", 1, &t0);
	put(&f, LOG_STDERR, "\n", 1, &t0);
	log_framer_trim(&f.framer);
	assert_null(f.framer.pending[LOG_STDERR].data);
	put(&f, LOG_STDOUT, "\n", 1, &t0);
	expect(&f, T0 " stderr F x\n" T0 " stdout F held\n");
	fixture_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_nul_byte),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_cri_pieces),
		cmocka_unit_test(test_json_pieces),
		cmocka_unit_test(test_json_utf8_at_the_cut),
		cmocka_unit_test(test_streams_do_not_mix),
		cmocka_unit_test(test_full_batch),
		cmocka_unit_test(test_marker),
		cmocka_unit_test(test_trim_keeps_held_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
