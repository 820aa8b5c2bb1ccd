// SPDX-License-Identifier: Apache-2.0
// The pure parts of containerd's front end: arguments, what comes on stdin, options, names.
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "shim/front_task.h"
#include "shim/options.pb-c.h"

static void test_sha256(void **state)
{
	char hex[SHA256_HEX], text[200];

	(void)state;
	sha256_hex("", 0, hex);
	assert_string_equal(hex,
			    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	sha256_hex("abc", 3, hex);
	assert_string_equal(hex,
			    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56, hex);
	assert_string_equal(hex,
			    "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
	memset(text, 'a', sizeof(text));
	sha256_hex(text, 64, hex);
	assert_string_equal(hex,
			    "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb");
	sha256_hex(text, 119, hex);
	assert_string_equal(hex,
			    "31eba51c313a5c08226adf18d4a359cfdfd8d2e816b13f4af952f7ea6584dcfb");
}

static void parse(struct front_args *ret, int expected, const char *line)
{
	static char copy[512];
	char *argv[32], *rest = copy;
	struct err err = { 0 };
	int argc = 0;

	snprintf(copy, sizeof(copy), "%s", line);
	for (char *w; (w = strsep(&rest, " "));)
		argv[argc++] = *w == '@' ? (char *)"" : w;
	argv[argc] = NULL;
	assert_int_equal(front_args_parse(argc, argv, ret, &err), expected);
}

static void test_args(void **state)
{
	struct front_args a;

	(void)state;
	parse(&a, 0,
	      "shim -namespace ns -address /c.sock -publish-binary /ctd -id c1 -debug start");
	assert_string_equal(a.ns, "ns");
	assert_string_equal(a.address, "/c.sock");
	assert_string_equal(a.publish_binary, "/ctd");
	assert_string_equal(a.id, "c1");
	assert_string_equal(a.bundle, "");
	assert_true(a.debug);
	assert_int_equal(a.action, FRONT_START);
	parse(&a, 0, "shim --namespace=ns -id=c1 -bundle /b -debug=false delete more");
	assert_string_equal(a.ns, "ns");
	assert_string_equal(a.id, "c1");
	assert_string_equal(a.bundle, "/b");
	assert_false(a.debug);
	assert_int_equal(a.action, FRONT_DELETE);
	/* An empty value is one; a flag's value is no action; what nobody knows is skipped. */
	parse(&a, 0, "shim -namespace default -address @ -id start -unknown start");
	assert_string_equal(a.address, "");
	assert_string_equal(a.id, "start");
	assert_int_equal(a.action, FRONT_START);
	parse(&a, 0, "shim -info");
	assert_int_equal(a.action, FRONT_INFO);
	parse(&a, 0, "shim -v");
	assert_int_equal(a.action, FRONT_VERSION);
	parse(&a, 0, "shim -id x");
	assert_int_equal(a.action, FRONT_NO_ACTION);
	parse(&a, -22, "shim -namespace ns -id");
	/* Nothing is taken for a longer name's beginning. */
	parse(&a, 0, "shim -id-other -id c2 start");
	assert_string_equal(a.id, "c2");
}

static void test_address(void **state)
{
	struct front_args a = { .address = "/run/containerd/containerd.sock", .ns = "k8s.io" };
	char buf[FRONT_TASK_ADDRESS_MAX], expected[FRONT_TASK_ADDRESS_MAX], hex[SHA256_HEX];
	const char *text = "/run/containerd/containerd.sock/k8s.io/ab12";
	char dir[120];

	(void)state;
	assert_int_equal(front_socket_address("/run/containerd/s", &a, "ab12", buf, sizeof(buf)),
			 0);
	sha256_hex(text, strlen(text), hex);
	snprintf(expected, sizeof(expected), "unix:///run/containerd/s/%s", hex);
	assert_string_equal(buf, expected);
	/* As Go joins: cleaned, empty parts left out. */
	a.address = "/run/containerd//./containerd.sock/";
	assert_int_equal(front_socket_address("/run/containerd/s", &a, "ab12", buf, sizeof(buf)),
			 0);
	assert_string_equal(buf, expected);
	a.address = "";
	assert_int_equal(front_socket_address("/s", &a, "ab12", buf, sizeof(buf)), 0);
	sha256_hex("k8s.io/ab12", 11, hex);
	snprintf(expected, sizeof(expected), "unix:///s/%s", hex);
	assert_string_equal(buf, expected);
	memset(dir, 'd', sizeof(dir));
	dir[0] = '/';
	dir[41] = '\0';
	assert_int_equal(front_socket_address(dir, &a, "x", buf, sizeof(buf)), 0);
	dir[41] = 'd';
	dir[42] = '\0';
	assert_int_equal(front_socket_address(dir, &a, "x", buf, sizeof(buf)), -36);
}

static size_t pack(const ProtobufCMessage *m, uint8_t *buf, size_t size)
{
	assert_true(protobuf_c_message_get_packed_size(m) <= size);
	return protobuf_c_message_pack(m, buf);
}

static void test_boot(void **state)
{
	Thole__Options__BootstrapParams params = THOLE__OPTIONS__BOOTSTRAP_PARAMS__INIT;
	Thole__Options__Extension ext = THOLE__OPTIONS__EXTENSION__INIT, *exts[] = { &ext };
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	struct front_args a = { .id = "c1", .ns = "ns" };
	CLEANUP_ARENA struct arena arena = { 0 };
	struct front_boot boot;
	struct err err = { 0 };
	uint8_t buf[256];
	size_t n;

	(void)state;
	assert_int_equal(front_boot_parse(NULL, 0, &a, &arena, &boot, &err), 0);
	assert_null(boot.options_type);
	any.type_url = (char *)"containerd.runc.v1.Options";
	any.value = (ProtobufCBinaryData){ 3, (uint8_t *)"abc" };
	n = pack(&any.base, buf, sizeof(buf));
	assert_int_equal(front_boot_parse(buf, n, &a, &arena, &boot, &err), 0);
	assert_false(boot.structured);
	assert_string_equal(boot.options_type, "containerd.runc.v1.Options");
	assert_int_equal(boot.options_len, 3);
	params.instance_id = (char *)"c1";
	params.namespace_ = (char *)"ns";
	params.log_level = -8; /* ten bytes on the wire */
	params.containerd_ttrpc_address = (char *)"/t";
	params.socket_dir = (char *)"/s";
	ext.value = &any;
	params.extensions = exts;
	params.n_extensions = 1;
	n = pack(&params.base, buf, sizeof(buf));
	assert_int_equal(front_boot_parse(buf, n, &a, &arena, &boot, &err), 0);
	assert_true(boot.structured);
	assert_string_equal(boot.socket_dir, "/s");
	assert_string_equal(boot.ttrpc_address, "/t");
	assert_string_equal(boot.options_type, "containerd.runc.v1.Options");
	/* Another container's parameters are an Any to us. */
	a.id = "c2";
	assert_int_equal(front_boot_parse(buf, n, &a, &arena, &boot, &err), 0);
	assert_false(boot.structured);
	assert_true(front_boot_parse("\xff\xff\xff", 3, &a, &arena, &boot, &err) < 0);
}

static void test_toml(void **state)
{
	static const char text[] = "# runtime\n"
				   "BinaryName = \"/usr/bin/th\\\"ole\" # the runtime\n"
				   "Root='C:\\x'\r\n"
				   "  SystemdCgroup = true\n"
				   "\"no_pivot_root\" = true\n"
				   "IoUid = 1000\n"
				   "Other = [1, 2]\n"
				   "[table]\n"
				   "NoNewKeyring = true\n"
				   "IoGid";
	static const struct {
		const char *text, *error;
	} bad[] = {
		{ "x = 1\nSystemdCgroup = 1\n",
		  "runtime options, line 2: \"SystemdCgroup\" must be true or false" },
		{ "BinaryName = true", "runtime options, line 1: \"BinaryName\" must be a string" },
		{ "BinaryName = \"/x\n", "runtime options, line 1: the string does not end" },
		{ "IoUid = -1", "runtime options, line 1: \"IoUid\" must be a number" },
		{ "nonsense", "runtime options, line 1: not KEY = VALUE" },
		{ "= 1", "runtime options, line 1: not KEY = VALUE" },
	};
	CLEANUP_ARENA struct arena arena = { 0 };
	struct front_options_runc o = { 0 };
	struct err err = { 0 };

	(void)state;
	assert_int_equal(front_toml_parse(text, sizeof(text) - 1, &arena, &o, &err), 0);
	assert_string_equal(o.binary_name, "/usr/bin/th\"ole");
	assert_string_equal(o.root, "C:\\x");
	assert_true(o.systemd_cgroup);
	assert_true(o.no_pivot_root);
	assert_int_equal(o.io_uid, 1000);
	assert_false(o.no_new_keyring);
	for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
		/* Exactly as long as it is: nothing behind it may be read. */
		char *copy = malloc(strlen(bad[i].text));

		memcpy(copy, bad[i].text, strlen(bad[i].text));
		assert_int_equal(front_toml_parse(copy, strlen(bad[i].text), &arena, &o, &err),
				 -22);
		assert_string_equal(err.msg, bad[i].error);
		free(copy);
	}
}

static void test_options(void **state)
{
	Thole__Options__Runc runc = THOLE__OPTIONS__RUNC__INIT;
	Thole__Options__Foreign foreign = THOLE__OPTIONS__FOREIGN__INIT;
	CLEANUP_ARENA struct arena arena = { 0 };
	static const char toml[] = "SystemdCgroup = true";
	struct front_options_runc o;
	struct err err = { 0 };
	uint8_t buf[256];
	size_t n;

	(void)state;
	runc.binary_name = (char *)"crun";
	runc.root = (char *)"/r";
	runc.io_gid = 7;
	runc.no_new_keyring = true;
	n = pack(&runc.base, buf, sizeof(buf));
	assert_int_equal(front_options_parse("type.googleapis.com/containerd.runc.v1.Options", buf,
					     n, &arena, &o, &err),
			 0);
	assert_true(o.given && o.no_new_keyring && !o.systemd_cgroup);
	assert_string_equal(o.binary_name, "crun");
	assert_string_equal(o.root, "/r");
	assert_int_equal(o.io_gid, 7);
	foreign.config_body = (ProtobufCBinaryData){ sizeof(toml) - 1, (uint8_t *)toml };
	n = pack(&foreign.base, buf, sizeof(buf));
	assert_int_equal(front_options_parse("runtimeoptions.v1.Options", buf, n, &arena, &o, &err),
			 0);
	assert_true(o.given && o.systemd_cgroup);
	assert_int_equal(front_options_parse("some.Other", buf, n, &arena, &o, &err), 0);
	assert_false(o.given);
	assert_int_equal(front_options_parse(NULL, NULL, 0, &arena, &o, &err), 0);
	assert_true(front_options_parse("containerd.runc.v1.Options", "\xff", 1, &arena, &o, &err) <
		    0);
}

static void spec(const char *text, struct front_spec *ret, struct arena *arena)
{
	struct json *json;
	struct err err = { 0 };

	assert_int_equal(json_parse(arena, text, strlen(text), &json, &err), 0);
	front_spec_parse(json, arena, ret);
}

static void test_spec(void **state)
{
	CLEANUP_ARENA struct arena arena = { 0 };
	struct front_spec s;

	(void)state;
	spec("{\"annotations\":{\"io.kubernetes.cri.sandbox-id\":\"p\","
	     "\"io.containerd.runc.v2.group\":\"g\"},\"linux\":{\"cgroupsPath\":\"a:b:c\","
	     "\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"pid\"}]}}",
	     &s, &arena);
	assert_string_equal(s.group, "g");
	assert_true(s.own_pid_ns);
	assert_true(front_is_systemd_path(s.cgroups_path));
	spec("{\"annotations\":{\"io.kubernetes.cri.sandbox-id\":\"p\"},\"linux\":{"
	     "\"namespaces\":[{\"type\":\"pid\",\"path\":\"/proc/1/ns/pid\"}]}}",
	     &s, &arena);
	assert_string_equal(s.group, "p");
	assert_false(s.own_pid_ns);
	assert_false(front_is_systemd_path(s.cgroups_path));
	spec("[]", &s, &arena);
	assert_null(s.group);
	spec("{\"annotations\":[],\"linux\":7}", &s, &arena);
	assert_null(s.group);
	assert_false(front_is_systemd_path("/a:b:c"));
	assert_false(front_is_systemd_path("a:b"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sha256),  cmocka_unit_test(test_args),
		cmocka_unit_test(test_address), cmocka_unit_test(test_boot),
		cmocka_unit_test(test_toml),    cmocka_unit_test(test_options),
		cmocka_unit_test(test_spec),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
