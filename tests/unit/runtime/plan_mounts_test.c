/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mount plan: what each option word does, golden plans (configuration in, printed plan out), and
 * what is refused and in which words.
 */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/mount.h"
#include "runtime/plan_mounts.h"
#include "spec/spec_read.h"

struct fixture {
	struct arena arena;
	struct host host;
	struct plan_request request;
	struct plan_mounts *plan;
	struct err err;
	struct str text;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	f->host = (struct host){ .layout = HOST_CGROUP_V1 };
	f->request = (struct plan_request){ .id = "c1", .bundle = "/bundle" };
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	str_done(&f->text);
	arena_done(&f->arena);
	free(f);
	return 0;
}

#define NAMESPACES                                                                                 \
	"[{'type':'pid'},{'type':'mount'},{'type':'ipc'},{'type':'uts'},{'type':'network'}]"

/* Builds the plan of a configuration with these mounts and this inside of "linux". */
static int build_from(struct fixture *f, const char *namespaces, const char *mounts,
		      const char *linux_members)
{
	struct spec *spec = NULL;
	char *json = arena_printf(&f->arena,
				  "{'ociVersion':'1.3.0','root':{'path':'rootfs'},"
				  "'process':{'args':['sh'],'cwd':'/w','user':{'uid':1,'gid':2}},"
				  "'mounts':[%s],'linux':{'namespaces':%s%s%s}}",
				  mounts, namespaces, *linux_members ? "," : "", linux_members);

	for (char *c = json; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	f->err = (struct err){ 0 };
	if (spec_read(&f->arena, json, strlen(json), &spec, &f->err) < 0)
		fail_msg("spec: %s", f->err.msg);
	return plan_mounts_build(&f->arena, spec, &f->host, &f->request, NULL, &f->plan, &f->err);
}

static const char *golden(struct fixture *f, const char *namespaces, const char *mounts,
			  const char *linux_members)
{
	if (build_from(f, namespaces, mounts, linux_members) < 0)
		fail_msg("plan: %s", f->err.msg);
	str_reset(&f->text);
	plan_mounts_print(f->plan, &f->text);
	return f->text.data;
}

static void assert_refused(struct fixture *f, const char *namespaces, const char *mounts,
			   const char *linux_members, const char *text)
{
	if (build_from(f, namespaces, mounts, linux_members) >= 0)
		fail_msg("not refused: %s %s", mounts, linux_members);
	assert_string_equal(f->err.msg, text);
}

#define DEFAULT_DEVICES                                                                            \
	"device /dev/null c 1:3 0666 0:0 default\n"                                                \
	"device /dev/zero c 1:5 0666 0:0 default\n"                                                \
	"device /dev/full c 1:7 0666 0:0 default\n"                                                \
	"device /dev/random c 1:8 0666 0:0 default\n"                                              \
	"device /dev/urandom c 1:9 0666 0:0 default\n"                                             \
	"device /dev/tty c 5:0 0666 0:0 default\n"
#define HEAD "root /bundle/rootfs\npropagation r=slave\n"
#define TAIL DEFAULT_DEVICES "cwd /w 1:2\n"

/* ---- option words ---- */

struct word_case {
	const char *words; /* separated by blanks */
	uint64_t set, clr, rec_set, rec_clr, propagation;
	unsigned long sb;
};

static void test_words(void **state UNUSED)
{
	static const struct word_case cases[] = {
		{ "ro", MOUNT_ATTR_RDONLY, 0, 0, 0, 0, 0 },
		{ "rw", 0, MOUNT_ATTR_RDONLY, 0, 0, 0, 0 },
		{ "ro rw", 0, MOUNT_ATTR_RDONLY, 0, 0, 0, 0 },
		{ "rw ro", MOUNT_ATTR_RDONLY, 0, 0, 0, 0, 0 },
		{ "nosuid nodev noexec", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
		  0, 0, 0, 0, 0 },
		{ "nosuid suid", 0, MOUNT_ATTR_NOSUID, 0, 0, 0, 0 },
		{ "noatime", MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME, 0, 0, 0, 0 },
		{ "noatime relatime", 0, MOUNT_ATTR__ATIME, 0, 0, 0, 0 },
		{ "relatime strictatime", MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME, 0, 0, 0, 0 },
		{ "nodiratime", MOUNT_ATTR_NODIRATIME, 0, 0, 0, 0, 0 },
		{ "nosymfollow symfollow", 0, MOUNT_ATTR_NOSYMFOLLOW, 0, 0, 0, 0 },
		{ "rro rnosuid", 0, 0, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID, 0, 0, 0 },
		{ "rro rrw", 0, 0, 0, MOUNT_ATTR_RDONLY, 0, 0 },
		{ "rnoatime", 0, 0, MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME, 0, 0 },
		{ "rslave", 0, 0, 0, 0, MS_SLAVE, 0 },
		{ "private shared", 0, 0, 0, 0, MS_SHARED, 0 },
		{ "runbindable", 0, 0, 0, 0, MS_UNBINDABLE, 0 },
		{ "sync dirsync mand lazytime iversion silent", 0, 0, 0, 0, 0,
		  MS_SYNCHRONOUS | MS_DIRSYNC | MS_MANDLOCK | MS_LAZYTIME | MS_I_VERSION |
			  MS_SILENT },
		{ "sync async mand nomand lazytime nolazytime iversion noiversion silent loud", 0,
		  0, 0, 0, 0, 0 },
		{ "defaults", 0, 0, 0, 0, 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		const struct word_case *c = &cases[i];
		struct plan_mount m = { 0 };
		struct mount_words words = { 0 };
		char word[64];

		for (const char *p = c->words; *p;) {
			size_t n = strcspn(p, " ");

			memcpy(word, p, n);
			word[n] = '\0';
			assert_true(mount_option_apply(&m, &words, word));
			p += n + (p[n] == ' ');
		}
		if (m.attr_set != c->set || m.attr_clr != c->clr || m.rec_set != c->rec_set ||
		    m.rec_clr != c->rec_clr || m.propagation != c->propagation ||
		    m.sb_flags != c->sb)
			fail_msg("\"%s\": set %#llx clr %#llx rset %#llx rclr %#llx prop %#llx sb "
				 "%#lx",
				 c->words, (unsigned long long)m.attr_set,
				 (unsigned long long)m.attr_clr, (unsigned long long)m.rec_set,
				 (unsigned long long)m.rec_clr, (unsigned long long)m.propagation,
				 m.sb_flags);
		assert_false(words.bind || words.remount);
	}
}

static void test_word_kinds(void **state UNUSED)
{
	struct plan_mount m = { 0 };
	struct mount_words words = { 0 };

	assert_true(mount_option_apply(&m, &words, "bind") && words.bind && !m.recursive);
	assert_true(mount_option_apply(&m, &words, "rbind") && m.recursive);
	assert_true(mount_option_apply(&m, &words, "remount") && words.remount);
	assert_true(mount_option_apply(&m, &words, "tmpcopyup") && m.tmpcopyup);
	assert_true(mount_option_apply(&m, &words, "ridmap") && m.idmap && m.idmap_recursive);
	assert_false(mount_option_apply(&m, &words, "size=1m"));
	assert_false(mount_option_apply(&m, &words, "RO"));
	assert_false(mount_option_apply(&m, &words, ""));
}

/* OCI 1.3, section 7: what MUST and SHOULD be known; and the order that `features` prints. */
static void test_word_list(void **state UNUSED)
{
	static const char *const needed[] = {
		"async",
		"atime",
		"bind",
		"defaults",
		"dev",
		"diratime",
		"dirsync",
		"exec",
		"iversion",
		"lazytime",
		"loud",
		"noatime",
		"nodev",
		"nodiratime",
		"noexec",
		"noiversion",
		"nolazytime",
		"norelatime",
		"nostrictatime",
		"nosuid",
		"private",
		"rbind",
		"relatime",
		"remount",
		"ro",
		"rprivate",
		"rshared",
		"rslave",
		"runbindable",
		"rw",
		"shared",
		"silent",
		"slave",
		"strictatime",
		"suid",
		"sync",
		"unbindable",
		"nosymfollow",
		"symfollow",
		"ratime",
		"rdev",
		"rdiratime",
		"rexec",
		"rnoatime",
		"rnodev",
		"rnodiratime",
		"rnoexec",
		"rnorelatime",
		"rnostrictatime",
		"rnosuid",
		"rnosymfollow",
		"rrelatime",
		"rro",
		"rrw",
		"rstrictatime",
		"rsuid",
		"rsymfollow",
		"mand",
		"nomand",
		"tmpcopyup",
	};
	const char *const *words = mount_option_words();
	size_t n = 0;

	for (; words[n]; n++) {
		assert_string_not_equal(words[n], "idmap");
		assert_true(n == 0 || strcmp(words[n - 1], words[n]) < 0);
	}
	assert_int_equal(n, ARRAY_COUNT(needed));
	for (size_t i = 0; i < ARRAY_COUNT(needed); i++) {
		bool found = false;

		for (size_t j = 0; j < n; j++)
			found |= str_eq(words[j], needed[i]);
		if (!found)
			fail_msg("\"%s\" is missing", needed[i]);
	}
}

static void test_ms_flags(void **state UNUSED)
{
	assert_int_equal(mount_ms_flags(0), MS_RELATIME);
	assert_int_equal(mount_ms_flags(MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOATIME),
			 MS_RDONLY | MS_NOATIME);
	assert_int_equal(
		mount_ms_flags(MOUNT_ATTR_STRICTATIME | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOSYMFOLLOW),
		MS_STRICTATIME | MS_NOSUID | MS_NOSYMFOLLOW);
}

/* What fsconfig cannot carry (values of 256 bytes and more) must go the old way; an overlay's list
 * may be long as long as each of its layers is not. */
static void test_needs_old(void **state UNUSED)
{
	char list[1024] = "lowerdir=", layer[512] = "lowerdir=/", other[512] = "upperdir=/";
	char *options[2] = { list, NULL };
	struct spec_strings strings = { options, 1 };
	struct mount_fs fs = { .type = "overlay", .options = &strings };

	for (size_t i = strlen(list); i < 900; i++)
		list[i] = i % 90 ? 'a' : ':';
	memset(layer + strlen(layer), 'l', 300);
	memset(other + strlen(other), 'o', 300);
	assert_false(mount_fs_needs_old(&fs));
	options[0] = layer;
	assert_true(mount_fs_needs_old(&fs));
	options[0] = other;
	assert_true(mount_fs_needs_old(&fs));
	/* An escaped colon does not end a layer. */
	memset(list, 0, sizeof(list));
	memcpy(list, "lowerdir=", 9);
	for (size_t i = 9; i < 400; i += 2)
		memcpy(list + i, "\\:", 2);
	options[0] = list;
	assert_true(mount_fs_needs_old(&fs));
	strings.n = 0;
	assert_false(mount_fs_needs_old(&fs));
	fs.sb_flags = MS_I_VERSION;
	assert_true(mount_fs_needs_old(&fs));
}

/* ---- golden plans ---- */

static void test_default_bundle(void **state)
{
	const char *text =
		golden(*state, NAMESPACES,
		       "{'destination':'/proc','type':'proc','source':'proc'},"
		       "{'destination':'/dev','type':'tmpfs','source':'tmpfs',"
		       "'options':['nosuid','strictatime','mode=755','size=65536k']},"
		       "{'destination':'/dev/pts','type':'devpts','source':'devpts','options':"
		       "['nosuid','noexec','newinstance','ptmxmode=0666','mode=0620','gid=5']},"
		       "{'destination':'/dev/mqueue','type':'mqueue','source':'mqueue',"
		       "'options':['nosuid','noexec','nodev']},"
		       "{'destination':'/sys','type':'sysfs','source':'sysfs',"
		       "'options':['nosuid','noexec','nodev','ro']},"
		       "{'destination':'/sys/fs/cgroup','type':'cgroup','source':'cgroup',"
		       "'options':['nosuid','noexec','nodev','relatime','ro']}",
		       "'maskedPaths':['/proc/kcore'],'readonlyPaths':['/proc/sys']");

	assert_string_equal(
		text,
		HEAD "mounts[0] init-fs /proc type=proc source=proc\n"
		     "mounts[1] init-fs /dev type=tmpfs source=tmpfs set=nosuid,strictatime "
		     "clear=atime data=mode=755,size=65536k\n"
		     "mounts[2] init-fs /dev/pts type=devpts source=devpts set=nosuid,noexec "
		     "data=newinstance,ptmxmode=0666,mode=0620,gid=5\n"
		     "mounts[3] init-fs /dev/mqueue type=mqueue source=mqueue "
		     "set=nosuid,nodev,noexec\n"
		     "mounts[4] init-fs /sys type=sysfs source=sysfs set=ro,nosuid,nodev,noexec "
		     "sb=ro\n"
		     "mounts[5] cgroup1 /sys/fs/cgroup type=cgroup source=cgroup "
		     "set=ro,nosuid,nodev,noexec clear=atime\n" TAIL
		     "mask /proc/kcore\nreadonly /proc/sys\n");
}

static void test_binds(void **state)
{
	const char *text = golden(
		*state, NAMESPACES,
		"{'destination':'/a//b/../c','source':'rel/x','options':['rbind','rro','rslave']},"
		"{'destination':'/d','type':'bind','source':'/s/../"
		"t','options':['ro','rro','private']},"
		"{'destination':'/e','type':'none','source':'/"
		"s','options':['bind','rw','noatime']},"
		"{'destination':'/f','type':'ext4','source':'/dev/"
		"x','options':['ro','errors=panic']},"
		"{'destination':'/"
		"t','type':'tmpfs','options':['ro','size=1m,mode=700','tmpcopyup']},"
		"{'destination':'/t','type':'tmpfs','options':['remount','nosuid']},"
		"{'destination':'/o','type':'overlay','options':['lowerdir=/a:/b\\\\:c,upperdir=/"
		"u']}",
		"");

	assert_string_equal(
		text, HEAD
		"mounts[0] bind /a/c type=none source=/bundle/rel/x recursive rset=ro "
		"rpropagation=slave\n"
		"mounts[1] bind /d type=bind source=/s/../t set=ro propagation=private\n"
		"mounts[2] bind /e type=none source=/s set=noatime clear=atime,ro\n"
		"mounts[3] host-fs /f type=ext4 source=/dev/x set=ro sb=ro "
		"data=errors=panic\n"
		"mounts[4] init-fs /t type=tmpfs late-ro copyup data=size=1m,mode=700\n"
		"mounts[5] remount /t type=tmpfs set=nosuid\n"
		"mounts[6] host-fs /o type=overlay data=lowerdir=/a:/b\\:c,upperdir=/u\n" TAIL);
}

static void test_overlay_root(void **state)
{
	const char *text =
		golden(*state, NAMESPACES,
		       "{'destination':'/','type':'overlay','source':'overlay','options':"
		       "['lowerdir=/l','upperdir=/u','workdir=/w']},"
		       "{'destination':'/proc','type':'proc','source':'proc'}",
		       "'rootfsPropagation':'shared'");

	assert_string_equal(text, "root /bundle/rootfs\npropagation given this=shared\n"
				  "mounts[0] host-fs / type=overlay source=overlay "
				  "data=lowerdir=/l,upperdir=/u,workdir=/w\n"
				  "mounts[1] init-fs /proc type=proc source=proc\n" TAIL);

	/* Mount points are made in it: read-only comes last. */
	text = golden(*state, NAMESPACES,
		      "{'destination':'/','type':'overlay','options':['lowerdir=/l','ro']}", "");
	assert_string_equal(text, "root /bundle/rootfs ro\npropagation r=slave\n"
				  "mounts[0] host-fs / type=overlay data=lowerdir=/l\n" TAIL);
}

static void test_devices(void **state)
{
	struct fixture *f = *state;
	const char *text =
		golden(f, NAMESPACES, "",
		       "'devices':[{'path':'/dev//fuse','type':'c','major':10,'minor':229,"
		       "'fileMode':432,'uid':7,'gid':8},{'path':'/dev/p','type':'p'},"
		       "{'path':'/dev/null','type':'u','major':1,'minor':3,'fileMode':384},"
		       "{'path':'/dev/ptmx','type':'c','major':5,'minor':2},"
		       "{'path':'/x/loop','type':'b','major':7,'minor':0}]");

	/* No ptmx: it is always the link to the container's own. */
	assert_string_equal(text, HEAD "device /dev/fuse c 10:229 0660 7:8\n"
				       "device /dev/p p 0:0 0666 0:0\n"
				       "device /dev/null c 1:3 0600 0:0\n"
				       "device /x/loop b 7:0 0666 0:0\n"
				       "device /dev/zero c 1:5 0666 0:0 default\n"
				       "device /dev/full c 1:7 0666 0:0 default\n"
				       "device /dev/random c 1:8 0666 0:0 default\n"
				       "device /dev/urandom c 1:9 0666 0:0 default\n"
				       "device /dev/tty c 5:0 0666 0:0 default\n"
				       "cwd /w 1:2\n");
	/* A host's /dev has its own. */
	text = golden(f, NAMESPACES,
		      "{'destination':'/dev','source':'/dev','options':['rbind','ro']}", "");
	assert_string_equal(text,
			    HEAD "mounts[0] bind /dev type=none source=/dev recursive late-ro\n"
				 "dev of the host\ncwd /w 1:2\n");
}

static void test_user_ns(void **state)
{
	struct fixture *f = *state;
	const char *const maps = "'uidMappings':[{'containerID':0,'hostID':1000,'size':10}],"
				 "'gidMappings':[{'containerID':0,'hostID':1000,'size':10}]";

	f->host.layout = HOST_CGROUP_V2;
	golden(f, "[{'type':'user'},{'type':'mount'},{'type':'cgroup'}]",
	       "{'destination':'/v','source':'/s','options':['rbind','idmap']},"
	       "{'destination':'/sys/fs/cgroup','type':'cgroup','source':'cgroup'}",
	       maps);
	assert_true(f->plan->bind_devices && f->plan->new_user_ns && f->plan->new_cgroup_ns);
	assert_int_equal(f->plan->mounts[1].kind, PLAN_MOUNT_CGROUP2);
	assert_true(f->plan->mounts[0].idmap);
	assert_null(f->plan->mounts[0].uid_maps);
	assert_non_null(strstr(f->text.data, "root /bundle/rootfs userns cgroupns\n"));
	assert_non_null(strstr(f->text.data, "/dev/tty c 5:0 0666 0:0 default bind\n"));

	golden(f, NAMESPACES,
	       "{'destination':'/v','source':'/s','options':['bind'],"
	       "'uidMappings':[{'containerID':0,'hostID':5,'size':1}],"
	       "'gidMappings':[{'containerID':0,'hostID':5,'size':1}]}",
	       "");
	assert_true(f->plan->mounts[0].idmap);
	assert_int_equal(f->plan->mounts[0].uid_maps->v[0].host_id, 5);
}

static void test_label(void **state)
{
	struct fixture *f = *state;
	const char *const mounts = "{'destination':'/t','type':'tmpfs','options':['size=1m']},"
				   "{'destination':'/proc','type':'proc'},"
				   "{'destination':'/b','source':'/s','options':['bind']}";

	f->host.selinux = true;
	golden(f, NAMESPACES, mounts, "'mountLabel':'system_u:object_r:t:s0:c1,c2'");
	assert_non_null(strstr(f->text.data,
			       "mounts[0] init-fs /t type=tmpfs "
			       "data=size=1m,context=\"system_u:object_r:t:s0:c1,c2\"\n"));
	assert_non_null(strstr(f->text.data, "/proc type=proc\n"));
	assert_non_null(strstr(f->text.data, "/b type=none source=/s\n"));
	f->host.selinux = false;
	golden(f, NAMESPACES, mounts, "'mountLabel':'x'");
	assert_null(strstr(f->text.data, "context"));
}

/* ---- refusals ---- */

static void test_refused_mounts(void **state)
{
	static const struct {
		const char *mount, *text;
	} cases[] = {
		{ "{'destination':'/proc','type':'tmpfs'}",
		  "mounts[0]: only procfs may be mounted on \"/proc\", not \"tmpfs\"" },
		{ "{'destination':'/x/../proc/','type':'overlay'}",
		  "mounts[0]: only procfs may be mounted on \"/proc\", not \"overlay\"" },
		{ "{'destination':'/proc/self/attr','source':'/s','options':['bind']}",
		  "mounts[0]: \"/proc/self/attr\" cannot be mounted because it is inside /proc" },
		{ "{'destination':'//proc//../proc/sys','type':'tmpfs'}",
		  "mounts[0]: \"/proc/sys\" cannot be mounted because it is inside /proc" },
		{ "{'destination':'/x','options':['ro']}",
		  "mounts[0].type: needed, the mount is not a bind mount" },
		{ "{'destination':'/x','options':['bind']}",
		  "mounts[0].source: a bind mount needs one" },
		{ "{'destination':'/x','type':'overlay','options':['tmpcopyup']}",
		  "mounts[0].options: tmpcopyup is for tmpfs only" },
		{ "{'destination':'/x','type':'tmpfs','options':['idmap']}",
		  "mounts[0]: only bind mounts can be id-mapped" },
		{ "{'destination':'/x','source':'/s','options':['bind','idmap']}",
		  "mounts[0]: an id-mapped mount needs mappings or a user namespace" },
		{ "{'destination':'/','type':'tmpfs'}",
		  "mounts[0]: a mount on \"/\" must be the first one, and an overlay, a block "
		  "file system or a bind" },
		{ "{'destination':'/x','type':'tmpfs'},{'destination':'/y/..','type':'overlay'}",
		  "mounts[1]: a mount on \"/\" must be the first one, and an overlay, a block "
		  "file system or a bind" },
	};

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
		assert_refused(*state, NAMESPACES, cases[i].mount, "", cases[i].text);
}

/* Files of /proc that lxcfs and criu supply. */
static void test_allowed_proc_files(void **state)
{
	golden(*state, NAMESPACES,
	       "{'destination':'/proc/meminfo','source':'/s','options':['bind']},"
	       "{'destination':'/proc/sys/kernel/ns_last_pid','source':'/s','options':['bind']},"
	       "{'destination':'/procfs','type':'tmpfs'}",
	       "");
}

static void test_refused_others(void **state)
{
	struct fixture *f = *state;

	assert_refused(f, NAMESPACES, "",
		       "'devices':[{'path':'/dev/x','type':'p'},{'path':'/dev/./"
		       "x','type':'c','major':1,'minor':3}]",
		       "linux.devices[1].path: \"/dev/x\" is there twice");
	assert_refused(f, NAMESPACES, "", "'maskedPaths':['/x/..']",
		       "linux.maskedPaths[0]: \"/\" cannot be one");
	f->request.no_pivot = true;
	assert_refused(f, NAMESPACES, "", "'rootfsPropagation':'rprivate'",
		       "rootfsPropagation of [r]private is not safe without pivot_root");
}

/* Below the reader, which refuses this already. */
static void test_no_mount_ns(void **state)
{
	struct fixture *f = *state;
	char *masked[] = { (char *)"/x", NULL };
	struct spec_namespace pid = { .flag = CLONE_NEWPID };
	struct spec_mount mount = { .destination = "/x", .type = "tmpfs" };
	struct spec spec = { .root_path = "r",
			     .mounts = &mount,
			     .n_mounts = 1,
			     .linux_ = { .namespaces = &pid, .n_namespaces = 1 } };

	assert_int_equal(
		plan_mounts_build(&f->arena, &spec, &f->host, &f->request, NULL, &f->plan, &f->err),
		-EINVAL);
	assert_string_equal(f->err.msg,
			    "mounts: unable to mount without a private mount namespace");
	spec.n_mounts = 0;
	spec.linux_.masked_paths = (struct spec_strings){ masked, 1 };
	assert_int_equal(
		plan_mounts_build(&f->arena, &spec, &f->host, &f->request, NULL, &f->plan, &f->err),
		-EINVAL);
	assert_string_equal(f->err.msg,
			    "linux.maskedPaths: unable to restrict sys entries without a private "
			    "MNT namespace");
	spec.linux_.masked_paths.n = 0;
	assert_int_equal(
		plan_mounts_build(&f->arena, &spec, &f->host, &f->request, NULL, &f->plan, &f->err),
		0);
	assert_false(f->plan->new_mount_ns);
}

/* ---- sysctl ---- */

static void test_sysctl(void **state)
{
	struct fixture *f = *state;

	golden(f, NAMESPACES, "",
	       "'sysctl':{'net.ipv4.conf.eth0/1.forwarding':'1','net/ipv4/conf/eth0.2/forwarding':"
	       "'0','kernel.shm_rmid_forced':'1','fs.mqueue.msg_max':'9',"
	       "'kernel.sem':'1 2\\t3 4','kernel.hostname':'a+b'}");
	assert_non_null(strstr(f->text.data, "sysctl net/ipv4/conf/eth0.1/forwarding=1\n"
					     "sysctl net/ipv4/conf/eth0.2/forwarding=0\n"
					     "sysctl kernel/shm_rmid_forced=1\n"
					     "sysctl fs/mqueue/msg_max=9\n"
					     "sysctl kernel/sem=1 2\t3 4\n"
					     "sysctl kernel/hostname=a+b\n"));
	assert_null(f->plan->net_ns_path);
	golden(f, "[{'type':'mount'},{'type':'network','path':'/n'}]", "",
	       "'sysctl':{'net.ipv4.ip_forward':'1'}");
	assert_string_equal(f->plan->net_ns_path, "/n");
}

#define ALL_FLAGS (CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS)

/* Below the reader, which refuses some of these already: the plan does not lean on it. */
static int build_sysctl(struct fixture *f, uint64_t flags, const char *key, const char *value)
{
	struct spec_namespace namespaces[3];
	struct spec_pair pair = { key, value };
	struct spec spec = { .linux_ = { .namespaces = namespaces, .sysctl = { &pair, 1 } } };
	struct plan_mounts plan = { 0 };

	for (uint64_t flag = 1; flag <= CLONE_NEWNET; flag <<= 1) {
		if (flags & flag)
			namespaces[spec.linux_.n_namespaces++] =
				(struct spec_namespace){ .flag = flag };
	}
	f->err = (struct err){ 0 };
	return plan_sysctl_build(&f->arena, &spec, &plan, &f->err);
}

static void test_refused_sysctl(void **state)
{
	static const struct {
		const char *key, *value, *text;
	} cases[] = {
		{ "kernel.core_pattern", "x",
		  "linux.sysctl: sysctl \"kernel.core_pattern\" is not in a separate kernel "
		  "namespace" },
		{ "net/../kernel/core_pattern", "x",
		  "linux.sysctl: invalid key \"net/../kernel/core_pattern\"" },
		{ "net.//.kernel.core_pattern", "x",
		  "linux.sysctl: invalid key \"net.//.kernel.core_pattern\"" },
		{ "/net/ipv4/ip_forward", "1",
		  "linux.sysctl: invalid key \"/net/ipv4/ip_forward\"" },
		{ ".net", "1", "linux.sysctl: invalid key \".net\"" },
		{ "net.ipv4.", "1", "linux.sysctl: invalid key \"net.ipv4.\"" },
		{ "net.", "1", "linux.sysctl: invalid key \"net.\"" },
		{ "net..ipv4", "1", "linux.sysctl: invalid key \"net..ipv4\"" },
		{ "net.ipv4 x", "1", "linux.sysctl: invalid key \"net.ipv4 x\"" },
		{ "net.a=1+kernel.core_pattern", "1",
		  "linux.sysctl: invalid key \"net.a=1+kernel.core_pattern\"" },
		{ "net.ipv4.ip_forward", "1\nx",
		  "linux.sysctl[\"net.ipv4.ip_forward\"]: newline in the value" },
		{ "kernel.shmmaxx", "1",
		  "linux.sysctl: sysctl \"kernel.shmmaxx\" is not in a separate kernel namespace" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		assert_int_equal(build_sysctl(f, ALL_FLAGS, cases[i].key, cases[i].value), -EINVAL);
		assert_string_equal(f->err.msg, cases[i].text);
	}
	assert_int_equal(build_sysctl(f, CLONE_NEWNS, "net.ipv4.ip_forward", "1"), -EINVAL);
	assert_string_equal(f->err.msg,
			    "linux.sysctl: sysctl \"net.ipv4.ip_forward\" is not allowed in the "
			    "hosts network namespace");
	assert_int_equal(build_sysctl(f, CLONE_NEWNET, "fs.mqueue.msg_max", "1"), -EINVAL);
	assert_string_equal(
		f->err.msg,
		"linux.sysctl: sysctl \"fs.mqueue.msg_max\" is not allowed in the hosts "
		"ipc namespace");
	assert_int_equal(build_sysctl(f, ALL_FLAGS, "net.ipv4.ip_forward", "1"), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_word_kinds),
		cmocka_unit_test(test_word_list),
		cmocka_unit_test(test_ms_flags),
		cmocka_unit_test(test_needs_old),
		TEST(test_default_bundle),
		TEST(test_binds),
		TEST(test_overlay_root),
		TEST(test_devices),
		TEST(test_user_ns),
		TEST(test_label),
		TEST(test_refused_mounts),
		TEST(test_allowed_proc_files),
		TEST(test_refused_others),
		TEST(test_no_mount_ns),
		TEST(test_sysctl),
		TEST(test_refused_sysctl),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
