// SPDX-License-Identifier: Apache-2.0
/*
 * What containerd's front end reads before it trusts anything: standard input of `start` (an Any or
 * BootstrapParams), runc's options, TOML, the shim's part of config.json, its command line. First
 * byte: which of them.
 */
#include "shim/front_task.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct front_args args = { .ns = "ns", .address = "/a.sock", .id = "c1" };

static void boot(const uint8_t *data, size_t n, struct arena *arena)
{
	struct front_options_runc options;
	struct front_boot b;
	struct err err = { 0 };

	if (front_boot_parse(data, n, &args, arena, &b, &err) < 0)
		return;
	/* Not a foreign runtime's: its path would be read. */
	if (b.options_type && str_eq(b.options_type, "containerd.runc.v1.Options"))
		(void)!front_options_parse(b.options_type, b.options, b.options_len, arena,
					   &options, &err);
}

static void config(const uint8_t *data, size_t n, struct arena *arena)
{
	struct front_options_spool spool = { 0 };
	struct front_spec spec;
	struct json *json;
	struct err err = { 0 };
	char *text = arena_alloc(arena, n + 1);
	char address[FRONT_TASK_ADDRESS_MAX];

	memcpy(text, data, n);
	text[n] = '\0';
	if (json_parse(arena, text, n, &json, NULL) < 0)
		return;
	front_spec_parse(json, arena, &spec);
	(void)front_is_systemd_path(spec.cgroups_path);
	(void)!front_spool_choose(&spec, &spool, &err);
	if (spool.size > FRONT_SPOOL_MAX && front_spool_choose(&spec, &spool, &err) == 0)
		abort();
	if (front_socket_address("/s", &args, spec.group ? spec.group : "", address,
				 sizeof(address)) < 0)
		abort(); /* a hash has one length */
}

static void line(const uint8_t *data, size_t n, struct arena *arena)
{
	char *text = arena_alloc(arena, n + 1), *argv[33] = { (char *)"shim" };
	struct front_args ret;
	struct err err = { 0 };
	int argc = 1;

	memcpy(text, data, n);
	text[n] = '\0';
	for (char *word; argc < 32 && (word = strsep(&text, "\n"));)
		argv[argc++] = word;
	(void)!front_args_parse(argc, argv, &ret, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP_ARENA struct arena arena = { 0 };
	struct front_options_runc options = { 0 };
	struct err err = { 0 };

	if (size < 1)
		return 0;
	switch (data[0] % 5) {
	case 0:
		boot(data + 1, size - 1, &arena);
		break;
	case 1:
		(void)!front_options_parse("containerd.runc.v1.Options", data + 1, size - 1, &arena,
					   &options, &err);
		break;
	case 2:
		(void)!front_toml_parse((const char *)data + 1, size - 1, &arena, &options, &err);
		break;
	case 3:
		config(data + 1, size - 1, &arena);
		break;
	default:
		line(data + 1, size - 1, &arena);
	}
	return 0;
}
