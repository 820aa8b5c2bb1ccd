/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Valid configurations: every field of OCI 1.3 arrives in its struct, what counts as absent, what is
 * warned of, and configurations as Docker, podman and containerd write them.
 */
#include "tests/unit/spec/spec_testing.h"

#include <linux/ioprio.h>
#include <linux/sched.h>
#include <sys/resource.h>
#include <time.h>

#define CAP(n) (UINT64_C(1) << (n))

static void check_strings(const struct spec_strings *got, const char *const *want)
{
	size_t n = 0;

	for (; want[n]; n++) {
		assert_true(n < got->n);
		assert_string_equal(got->v[n], want[n]);
	}
	assert_int_equal(got->n, n);
	assert_null(got->v[n]);
}
#define STRINGS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void check_process(const struct spec_process *p)
{
	assert_true(p->given && p->terminal && p->has_console_size && p->no_new_privileges);
	assert_int_equal(p->console_height, 25);
	assert_int_equal(p->console_width, 80);
	assert_int_equal(p->user.uid, 1000);
	assert_int_equal(p->user.gid, 1001);
	assert_true(p->user.has_umask);
	assert_int_equal(p->user.umask, 022);
	assert_int_equal(p->user.n_additional_gids, 2);
	assert_int_equal(p->user.additional_gids[0], 5);
	assert_int_equal(p->user.additional_gids[1], 4294967294u);
	check_strings(&p->args, STRINGS("/bin/sh", "-c", "", "true"));
	check_strings(&p->env, STRINGS("PATH=/bin:/usr/bin", "EMPTY=", "UTF8=größe"));
	assert_string_equal(p->cwd, "/home/user");
	assert_true(p->caps.given && p->caps.has_ambient && p->caps.has_inheritable);
	assert_int_equal(p->caps.bounding, CAP(0) | CAP(40));
	assert_int_equal(p->caps.effective, CAP(5));
	assert_int_equal(p->caps.inheritable, CAP(7));
	assert_int_equal(p->caps.permitted, CAP(5) | CAP(21));
	assert_int_equal(p->caps.ambient, CAP(39));
	assert_string_equal(p->apparmor_profile, "acme_secure_profile");
	assert_string_equal(p->selinux_label, "system_u:system_r:svirt_lxc_net_t:s0:c124,c675");
	assert_true(p->has_oom_score_adj);
	assert_int_equal(p->oom_score_adj, -1000);
	assert_true(p->scheduler.given);
	assert_int_equal(p->scheduler.policy, SCHED_DEADLINE);
	assert_int_equal(p->scheduler.nice, -20);
	assert_int_equal(p->scheduler.priority, 0);
	assert_int_equal(p->scheduler.flags, 0x7f);
	assert_int_equal(p->scheduler.runtime, UINT64_C(1) << 62);
	assert_int_equal(p->scheduler.deadline, UINT64_C(1) << 63);
	assert_int_equal(p->scheduler.period, UINT64_MAX);
	assert_true(p->has_io_priority);
	assert_int_equal(p->io_priority_class, IOPRIO_CLASS_IDLE);
	assert_int_equal(p->io_priority, 7);
	assert_string_equal(p->exec_cpu_affinity_initial, "7");
	assert_string_equal(p->exec_cpu_affinity_final, "0-3,7");
}

static void check_rlimits(const struct spec_process *p)
{
	static const struct spec_rlimit want[] = {
		{ RLIMIT_AS, "RLIMIT_AS", 1, 2 },
		{ RLIMIT_CORE, "RLIMIT_CORE", 0, UINT64_MAX },
		{ RLIMIT_CPU, "RLIMIT_CPU", 3, 3 },
		{ RLIMIT_DATA, "RLIMIT_DATA", 4, 4 },
		{ RLIMIT_FSIZE, "RLIMIT_FSIZE", 5, 5 },
		{ RLIMIT_LOCKS, "RLIMIT_LOCKS", 6, 6 },
		{ RLIMIT_MEMLOCK, "RLIMIT_MEMLOCK", 7, 7 },
		{ RLIMIT_MSGQUEUE, "RLIMIT_MSGQUEUE", 8, 8 },
		{ RLIMIT_NICE, "RLIMIT_NICE", 9, 9 },
		{ RLIMIT_NOFILE, "RLIMIT_NOFILE", 1024, 4096 },
		{ RLIMIT_NPROC, "RLIMIT_NPROC", 11, 11 },
		{ RLIMIT_RSS, "RLIMIT_RSS", 12, 12 },
		{ RLIMIT_RTPRIO, "RLIMIT_RTPRIO", 13, 13 },
		{ RLIMIT_RTTIME, "RLIMIT_RTTIME", 14, 14 },
		{ RLIMIT_SIGPENDING, "RLIMIT_SIGPENDING", 15, 15 },
		{ RLIMIT_STACK, "RLIMIT_STACK", UINT64_MAX, UINT64_MAX },
	};

	assert_int_equal(p->n_rlimits, ARRAY_COUNT(want));
	for (size_t i = 0; i < ARRAY_COUNT(want); i++) {
		assert_int_equal(p->rlimits[i].resource, want[i].resource);
		assert_string_equal(p->rlimits[i].type, want[i].type);
		assert_int_equal(p->rlimits[i].soft, want[i].soft);
		assert_int_equal(p->rlimits[i].hard, want[i].hard);
	}
}

static void check_idmap(const struct spec_idmaps *maps, size_t i, struct spec_idmap want)
{
	assert_true(i < maps->n);
	assert_int_equal(maps->v[i].container_id, want.container_id);
	assert_int_equal(maps->v[i].host_id, want.host_id);
	assert_int_equal(maps->v[i].size, want.size);
}

static void check_top(const struct spec *s)
{
	const struct spec_mount *m = s->mounts;

	assert_string_equal(s->oci_version, "1.3.0");
	assert_string_equal(s->root_path, "rootfs");
	assert_true(s->root_readonly);
	assert_string_equal(s->hostname, "box");
	assert_string_equal(s->domainname, "example.org");
	assert_int_equal(s->n_mounts, 2);
	assert_string_equal(m[0].destination, "/proc");
	assert_string_equal(m[0].type, "proc");
	assert_string_equal(m[0].source, "proc");
	assert_int_equal(m[0].options.n + m[0].uid_maps.n + m[0].gid_maps.n, 0);
	assert_string_equal(m[1].type, "none");
	check_strings(&m[1].options, STRINGS("rbind", "rw", "ridmap"));
	assert_int_equal(m[1].uid_maps.n, 2);
	check_idmap(&m[1].uid_maps, 0, (struct spec_idmap){ 0, 1000, 1 });
	check_idmap(&m[1].uid_maps, 1, (struct spec_idmap){ 1, 2000, 10 });
	assert_int_equal(m[1].gid_maps.n, 1);
	check_idmap(&m[1].gid_maps, 0, (struct spec_idmap){ 3, 4, 4294967291u });
	assert_string_equal(spec_annotation(s, "com.example.key"), "value");
	assert_string_equal(spec_annotation(s, "org.opencontainers.image.os"), "");
	assert_null(spec_annotation(s, "com.example"));
}

static void check_hooks(const struct spec *s)
{
	static const char *const paths[HOOK_KIND_N] = { "/bin/prestart",  "/bin/cr1",
							"/bin/cc",        "/bin/sc",
							"/bin/poststart", "/bin/poststop" };
	const struct spec_hook *prestart = &s->hooks[HOOK_PRESTART].v[0];

	for (int i = 0; i < HOOK_KIND_N; i++) {
		assert_int_equal(s->hooks[i].n, i == HOOK_CREATE_RUNTIME ? 2 : 1);
		assert_string_equal(s->hooks[i].v[0].path, paths[i]);
	}
	check_strings(&prestart->args, STRINGS("prestart", "x"));
	check_strings(&prestart->env, STRINGS("k=v"));
	assert_int_equal(prestart->timeout, 5);
	assert_true(prestart->has_env);
	assert_false(s->hooks[HOOK_CREATE_RUNTIME].v[0].has_env);
	assert_int_equal(s->hooks[HOOK_CREATE_RUNTIME].v[0].timeout, 0);
	assert_true(s->hooks[HOOK_CREATE_RUNTIME].v[1].has_env);
	assert_int_equal(s->hooks[HOOK_CREATE_RUNTIME].v[1].env.n, 0);
	assert_int_equal(s->hooks[HOOK_CREATE_CONTAINER].v[0].timeout, 2147483647);
}

static void check_namespaces(const struct spec *s)
{
	static const struct spec_namespace want[] = {
		{ CLONE_NEWPID, "pid", NULL },
		{ CLONE_NEWNET, "network", "/var/run/netns/neta" },
		{ CLONE_NEWNS, "mount", NULL },
		{ CLONE_NEWIPC, "ipc", NULL },
		{ CLONE_NEWUTS, "uts", NULL },
		{ CLONE_NEWUSER, "user", NULL },
		{ CLONE_NEWCGROUP, "cgroup", NULL },
		{ 0x80 /* CLONE_NEWTIME */, "time", NULL },
	};
	const struct spec_linux *l = &s->linux_;

	assert_int_equal(l->n_namespaces, ARRAY_COUNT(want));
	for (size_t i = 0; i < ARRAY_COUNT(want); i++) {
		const struct spec_namespace *ns = spec_namespace(s, want[i].flag);

		assert_ptr_equal(ns, &l->namespaces[i]);
		assert_string_equal(ns->type, want[i].type);
		if (want[i].path)
			assert_string_equal(ns->path, want[i].path);
		else
			assert_null(ns->path);
	}
	check_idmap(&l->uid_maps, 0, (struct spec_idmap){ 0, 100000, 65536 });
	check_idmap(&l->gid_maps, 0, (struct spec_idmap){ 0, 200000, 65536 });
	assert_true(l->monotonic.given && l->boottime.given);
	assert_true(l->monotonic.secs == INT64_MIN);
	assert_int_equal(l->monotonic.nanosecs, 999999999);
	assert_int_equal(l->boottime.secs, 172800);
	assert_int_equal(l->boottime.nanosecs, 0);
}

static void check_devices(const struct spec_linux *l)
{
	const struct spec_device *d = l->devices;

	assert_int_equal(l->n_devices, 4);
	assert_int_equal(d[0].type, 'c');
	assert_string_equal(d[0].path, "/dev/fuse");
	assert_int_equal(d[0].major, 10);
	assert_int_equal(d[0].minor, 229);
	assert_true(d[0].has_file_mode && d[0].has_uid && d[0].has_gid);
	assert_int_equal(d[0].file_mode, 0666);
	assert_int_equal(d[0].uid, 0);
	assert_int_equal(d[0].gid, 7);
	assert_int_equal(d[1].type, 'b');
	assert_int_equal(d[1].major, 4095);
	assert_int_equal(d[1].minor, 1048575);
	assert_int_equal(d[1].file_mode, 0660); /* 060660 with its type bits */
	assert_false(d[1].has_uid || d[1].has_gid);
	assert_int_equal(d[2].type, 'c');
	assert_int_equal(d[3].type, 'p');
	assert_false(d[3].has_file_mode);
	assert_int_equal(l->n_net_devices, 2);
	assert_string_equal(l->net_devices[0].host_name, "eth1");
	assert_string_equal(l->net_devices[0].name, "data%d");
	assert_string_equal(l->net_devices[1].host_name, "ens4");
	assert_null(l->net_devices[1].name);
}

static void check_linux(const struct spec_linux *l)
{
	assert_true(l->given);
	assert_string_equal(l->cgroups_path, "/pods/abc");
	assert_string_equal(l->rootfs_propagation, "rslave");
	assert_int_equal(l->sysctl.n, 2);
	assert_string_equal(l->sysctl.v[0].key, "net.ipv4.ip_forward");
	assert_string_equal(l->sysctl.v[0].value, "1");
	check_strings(&l->masked_paths, STRINGS("/proc/kcore"));
	check_strings(&l->readonly_paths, STRINGS("/proc/sys", "/proc/bus"));
	assert_string_equal(l->mount_label, "system_u:object_r:svirt_sandbox_file_t:s0:c715,c811");
	assert_true(l->intel_rdt.given && l->intel_rdt.enable_monitoring);
	assert_string_equal(l->intel_rdt.clos_id, "guaranteed_group");
	assert_string_equal(l->intel_rdt.l3_cache_schema, "L3:0=7f0;1=1f");
	assert_string_equal(l->intel_rdt.mem_bw_schema, "MB:0=20;1=70");
	check_strings(&l->intel_rdt.schemata, STRINGS("L2:0=f", "MB:0=20"));
	assert_true(l->has_personality && l->personality_linux32);
	assert_int_equal(l->personality_flags.n, 0);
	assert_true(l->memory_policy.given);
	assert_int_equal(l->memory_policy.mode, 6);
	assert_int_equal(l->memory_policy.flags, 1 << 13 | 1 << 15);
	assert_string_equal(l->memory_policy.nodes, "0-3,7");
}

static void check_memory_cpu(const struct spec_resources *r)
{
	assert_true(r->given);
	assert_true(r->has_memory_limit && r->has_memory_reservation && r->has_memory_swap);
	assert_true(r->has_memory_kernel && r->has_memory_kernel_tcp && r->has_memory_swappiness);
	assert_int_equal(r->memory_limit, 536870912);
	assert_int_equal(r->memory_reservation, 268435456);
	assert_int_equal(r->memory_swap, -1);
	assert_int_equal(r->memory_kernel, 3);
	assert_int_equal(r->memory_kernel_tcp, 4);
	assert_int_equal(r->memory_swappiness, 100);
	assert_true(r->has_disable_oom_killer && r->disable_oom_killer);
	assert_true(r->has_use_hierarchy && !r->use_hierarchy && r->check_before_update);
	assert_true(r->has_cpu_shares && r->has_cpu_quota && r->has_cpu_burst);
	assert_true(r->has_cpu_period && r->has_cpu_rt_runtime && r->has_cpu_rt_period);
	assert_true(r->has_cpu_idle && r->has_pids_limit);
	assert_int_equal(r->cpu_shares, 1024);
	assert_int_equal(r->cpu_quota, -1);
	assert_int_equal(r->cpu_burst, 0);
	assert_int_equal(r->cpu_period, 500000);
	assert_int_equal(r->cpu_rt_runtime, 950000);
	assert_int_equal(r->cpu_rt_period, 1000000);
	assert_int_equal(r->cpu_idle, 1);
	assert_string_equal(r->cpus, "2-3");
	assert_string_equal(r->mems, "0-7");
	assert_int_equal(r->pids_limit, 32771);
}

static void check_throttle(const struct spec_throttles *t, int64_t minor, uint64_t rate)
{
	assert_int_equal(t->n, 1);
	assert_int_equal(t->v[0].major, 8);
	assert_int_equal(t->v[0].minor, minor);
	assert_int_equal(t->v[0].rate, rate);
}

static void check_block_io(const struct spec_resources *r)
{
	const struct spec_weight_device *w = r->blkio_weight_devices;

	assert_true(r->has_blkio_weight && r->has_blkio_leaf_weight);
	assert_int_equal(r->blkio_weight, 10);
	assert_int_equal(r->blkio_leaf_weight, 1000);
	assert_int_equal(r->n_blkio_weight_devices, 2);
	assert_int_equal(w[0].major, 8);
	assert_int_equal(w[0].weight, 500);
	assert_int_equal(w[0].leaf_weight, 300);
	assert_true(w[0].has_weight && w[0].has_leaf_weight && w[1].has_weight);
	assert_false(w[1].has_leaf_weight);
	assert_int_equal(w[1].minor, 16);
	assert_int_equal(w[1].weight, 20);
	check_throttle(&r->read_bps, 1, 600);
	check_throttle(&r->write_bps, 2, 601);
	check_throttle(&r->read_iops, 3, 602);
	check_throttle(&r->write_iops, 4, UINT64_MAX);
}

static void check_rules(const struct spec_resources *r)
{
	const struct spec_device_rule *d = r->devices;

	assert_int_equal(r->n_devices, 3);
	assert_true(!d[0].allow && d[0].type == 'a' && d[0].major == -1 && d[0].minor == -1);
	assert_true(d[0].read && d[0].write && d[0].mknod);
	assert_true(d[1].allow && d[1].type == 'c' && d[1].major == 10 && d[1].minor == 229);
	assert_true(d[1].read && d[1].write && !d[1].mknod);
	assert_true(d[2].allow && d[2].type == 'b' && d[2].major == 8 && d[2].minor == -1);
	assert_true(d[2].read && !d[2].write && !d[2].mknod);
}

static void check_other_resources(const struct spec_resources *r)
{
	assert_int_equal(r->n_hugepages, 2);
	assert_string_equal(r->hugepages[0].page_size, "2MB");
	assert_int_equal(r->hugepages[0].limit, 209715200);
	assert_string_equal(r->hugepages[1].page_size, "64KB");
	assert_true(r->has_net_class_id);
	assert_int_equal(r->net_class_id, 1048577);
	assert_int_equal(r->n_net_priorities, 2);
	assert_string_equal(r->net_priorities[1].name, "lo");
	assert_int_equal(r->net_priorities[1].priority, 1000);
	assert_int_equal(r->n_rdma, 2);
	assert_string_equal(r->rdma[0].device, "mlx5_1");
	assert_true(r->rdma[0].has_handles && r->rdma[0].has_objects);
	assert_int_equal(r->rdma[0].hca_handles, 3);
	assert_int_equal(r->rdma[0].hca_objects, 10000);
	assert_true(!r->rdma[1].has_handles && r->rdma[1].has_objects);
	assert_int_equal(r->unified.n, 2);
	assert_string_equal(r->unified.v[1].key, "hugetlb.1GB.max");
	assert_string_equal(r->unified.v[1].value, "1073741824");
}

static void check_seccomp(const struct spec_seccomp *s)
{
	static const char *const actions[] = {
		"SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO",        "SCMP_ACT_TRACE",
		"SCMP_ACT_KILL",  "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD",
		"SCMP_ACT_TRAP",  "SCMP_ACT_LOG",          "SCMP_ACT_NOTIFY",
	};
	const struct spec_seccomp_rule *clone = &s->rules[1];

	assert_true(s->given && s->has_default_errno_ret && s->has_flags);
	assert_string_equal(s->default_action, "SCMP_ACT_ERRNO");
	assert_int_equal(s->default_errno_ret, 38);
	assert_int_equal(s->architectures.n, 23);
	assert_string_equal(s->architectures.v[22], "SCMP_ARCH_SHEB");
	assert_int_equal(s->flags.n, 4);
	assert_string_equal(s->flags.v[1], "SECCOMP_FILTER_FLAG_LOG");
	assert_string_equal(s->listener_path, "/run/listener.sock");
	assert_string_equal(s->listener_metadata, "meta");
	assert_int_equal(s->n_rules, ARRAY_COUNT(actions));
	for (size_t i = 0; i < ARRAY_COUNT(actions); i++)
		assert_string_equal(s->rules[i].action, actions[i]);
	check_strings(&s->rules[0].names, STRINGS("getcwd", "chmod"));
	assert_false(s->rules[0].has_errno_ret);
	assert_true(clone->has_errno_ret);
	assert_int_equal(clone->errno_ret, 4095);
	assert_int_equal(clone->n_args, 7);
	assert_int_equal(clone->args[0].index, 0);
	assert_int_equal(clone->args[0].value, 2080505856);
	assert_int_equal(clone->args[0].value_two, 1);
	assert_string_equal(clone->args[0].op, "SCMP_CMP_MASKED_EQ");
	assert_int_equal(clone->args[1].index, 5);
	assert_int_equal(clone->args[1].value, UINT64_MAX);
	assert_string_equal(clone->args[1].op, "SCMP_CMP_NE");
}

static void test_maximal(void **state)
{
	CLEANUP_ARENA struct arena arena = { 0 };
	struct spec *s;

	(void)state;
	log_begin(LOG_LEVEL_DEBUG);
	s = must_read_file(&arena, DATA_DIR "maximal.json");
	assert_string_equal(log_end(&arena), ""); /* every property is known */
	check_top(s);
	check_process(&s->process);
	check_rlimits(&s->process);
	check_hooks(s);
	check_namespaces(s);
	check_devices(&s->linux_);
	check_linux(&s->linux_);
	check_memory_cpu(&s->linux_.resources);
	check_block_io(&s->linux_.resources);
	check_rules(&s->linux_.resources);
	check_other_resources(&s->linux_.resources);
	check_seccomp(&s->linux_.seccomp);
}

#define MINIMAL(more)                                                                              \
	"{'ociVersion':'1.0.0-rc5+dev.1','root':{'path':'r'},'process':{'cwd':'/"                  \
	"','args':['a']}" more "}"

static void test_minimal(void **state)
{
	CLEANUP_ARENA struct arena arena = { 0 };
	struct spec *s = must_read(&arena, MINIMAL(""));

	(void)state;
	assert_string_equal(s->oci_version, "1.0.0-rc5+dev.1");
	assert_false(s->linux_.given || s->linux_.resources.given || s->process.caps.given);
	assert_false(s->process.has_oom_score_adj || s->process.user.has_umask);
	assert_null(s->hostname);
	assert_int_equal(s->n_mounts, 0);
	assert_null(spec_namespace(s, CLONE_NEWPID));
}

/* null, "" and the zeros that callers send for "not set". */
static void test_absent(void **state)
{
	CLEANUP_ARENA struct arena arena = { 0 };
	const struct spec_resources *r;
	struct spec *s;

	(void)state;
	s = must_read(&arena,
		      "{'ociVersion':'1.3.0','root':{'path':'r','readonly':null},'hostname':'',"
		      "'mounts':null,'hooks':null,'annotations':{'a':null},"
		      "'process':{'cwd':'/','args':['a'],'env':null,'capabilities':{'ambient':[]},"
		      "'apparmorProfile':'','oomScoreAdj':0,'scheduler':null,"
		      "'execCPUAffinity':{'initial':'','final':''}},"
		      "'linux':{'cgroupsPath':'','rootfsPropagation':'','mountLabel':'',"
		      "'namespaces':[{'type':'pid','path':''},{'type':'mount','path':null}],"
		      "'seccomp':null,'intelRdt':null,'resources':{'memory':{'limit':0,'swap':0},"
		      "'cpu':{'shares':0,'quota':0,'period':0,'cpus':'','burst':0},"
		      "'pids':{'limit':0},'blockIO':{'weight':0,'leafWeight':0}}}}");
	r = &s->linux_.resources;
	assert_null(s->hostname);
	assert_int_equal(s->annotations.n, 0);
	assert_null(s->process.apparmor_profile);
	assert_null(s->process.exec_cpu_affinity_final);
	assert_true(s->process.has_oom_score_adj);
	assert_true(s->process.caps.given && s->process.caps.has_ambient);
	assert_false(s->process.caps.has_inheritable || s->process.scheduler.given);
	assert_null(s->linux_.cgroups_path);
	assert_null(s->linux_.rootfs_propagation);
	assert_null(s->linux_.namespaces[0].path);
	assert_null(s->linux_.namespaces[1].path);
	assert_false(s->linux_.seccomp.given || s->linux_.intel_rdt.given);
	assert_false(r->has_memory_limit || r->has_memory_swap || r->has_cpu_shares);
	assert_false(r->has_cpu_quota || r->has_cpu_period);
	assert_false(r->has_blkio_weight || r->has_blkio_leaf_weight);
	assert_null(r->cpus);
	assert_true(r->has_cpu_burst && r->has_pids_limit);
	assert_int_equal(r->pids_limit, 0);
	/* Before 1.3 it meant no limit. */
	s = must_read(&arena, MINIMAL(",'linux':{'resources':{'pids':{'limit':0}}}"));
	assert_false(s->linux_.resources.has_pids_limit);
}

static void test_versions(void **state)
{
	static const char *const good[] = { "1.0.0", "1.0.2-dev", "1.1.0-rc.3",
					    "1.4.0", "1.0.0+b",   "1.3.0-0.a.01b+001" };
	CLEANUP_ARENA struct arena arena = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(good); i++)
		must_read(&arena, arena_printf(&arena,
					       "{'ociVersion':'%s','root':{'path':'r'},"
					       "'process':{'cwd':'/','args':['a']}}",
					       good[i]));
}

/* A new user namespace may come with a path and maps; the rest is for who opens it. */
static void test_allowed_combinations(void **state)
{
	static const char *const good[] = {
		MINIMAL(",'linux':{'namespaces':[{'type':'user','path':'/proc/1/ns/user'}],"
			"'uidMappings':[{'containerID':0,'hostID':1,'size':4294967294}],"
			"'gidMappings':[]}"),
		MINIMAL(",'linux':{'namespaces':[{'type':'ipc'},{'type':'uts'},{'type':'user',"
			"'path':'/x'}],'sysctl':{'kernel.msgmax':'1','fs.mqueue.queues_max':'2',"
			"'kernel.hostname':'h','user.max_user_namespaces':'3'}}"),
		MINIMAL(",'linux':{'namespaces':[{'type':'network'}],"
			"'sysctl':{'net.ipv4.conf.eth0/100.forwarding':'1'}}"),
		MINIMAL(",'linux':{'memoryPolicy':{'mode':'MPOL_PREFERRED'},"
			"'intelRdt':{'closID':'/'},'personality':{'domain':'LINUX'}}"),
		MINIMAL(",'linux':{'uidMappings':[],'resources':{'pids':{'limit':-7},"
			"'devices':[{'allow':true,'type':'a','major':-1,'access':''}]}}"),
	};
	CLEANUP_ARENA struct arena arena = { 0 };
	struct spec *s = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(good); i++)
		s = must_read(&arena, good[i]);
	assert_int_equal(s->linux_.resources.pids_limit, -1);
}

/* ---- warnings ---- */

static void test_unknown_capabilities(void **state)
{
	CLEANUP_ARENA struct arena arena = { 0 };
	struct spec *s;
	char *text;

	(void)state;
	log_begin(LOG_LEVEL_INFO);
	s = must_read(&arena, "{'ociVersion':'1.0.0','root':{'path':'r'},'process':{'cwd':'/',"
			      "'args':['a'],'capabilities':{'bounding':['CAP_FOO','CAP_KILL'],"
			      "'effective':['CAP_BAR','CAP_FOO','cap_kill']}}}");
	text = log_end(&arena);
	assert_int_equal(s->process.caps.bounding, CAP(5));
	assert_int_equal(s->process.caps.effective, 0);
	assert_int_equal(count_lines(text), 1);
	assert_non_null(strstr(text, "level=warning"));
	assert_non_null(
		strstr(text, "ignoring unknown capabilities: CAP_FOO, CAP_BAR, cap_kill\""));
}

static void test_platforms(void **state)
{
	CLEANUP_ARENA struct arena arena = { 0 };
	char *text;

	(void)state;
	log_begin(LOG_LEVEL_INFO);
	must_read(&arena, MINIMAL(",'windows':{'a':1},'solaris':3,'vm':{},'freebsd':'x','zos':[]"));
	text = log_end(&arena);
	assert_int_equal(count_lines(text), 1);
	assert_non_null(strstr(text, "windows, solaris, vm, freebsd, zos"));
}

/* One warning line more would spoil the log of a failing create for podman. */
static void test_no_warning_on_error(void **state)
{
	CLEANUP_ARENA struct arena arena = { 0 };
	struct spec *s;
	struct err err;

	(void)state;
	log_begin(LOG_LEVEL_INFO);
	assert_true(read_json(&arena, MINIMAL(",'windows':{},'hostname':'x'"), &s, &err) < 0);
	assert_string_equal(log_end(&arena), "");
}

static void test_unknown_properties(void **state)
{
	static const char config[] = MINIMAL(",'new':1,'linux':{'a b':[],'resources':{'x':{}}},"
					     "'mounts':[]");
	CLEANUP_ARENA struct arena arena = { 0 };
	char *text;

	(void)state;
	log_begin(LOG_LEVEL_DEBUG);
	must_read(&arena, config);
	text = log_end(&arena);
	assert_int_equal(count_lines(text), 3);
	assert_non_null(strstr(text, "unknown property new (number)"));
	assert_non_null(strstr(text, "unknown property linux[\\\"a b\\\"] (array)"));
	assert_non_null(strstr(text, "unknown property linux.resources.x (object)"));
	log_begin(LOG_LEVEL_INFO);
	must_read(&arena, config);
	assert_string_equal(log_end(&arena), "");
}

static void test_relative_destination(void **state)
{
	CLEANUP_ARENA struct arena arena = { 0 };
	char *text;

	(void)state;
	log_begin(LOG_LEVEL_INFO);
	must_read(&arena, MINIMAL(",'mounts':[{'destination':'proc'}],"
				  "'linux':{'namespaces':[{'type':'mount'}]}"));
	text = log_end(&arena);
	assert_int_equal(count_lines(text), 1);
	assert_non_null(strstr(text, "relative mount destinations are taken from /: proc"));
}

/* ---- parts, files, callers ---- */

static void test_process_alone(void **state)
{
	static const char text[] = "{\"cwd\":\"/\",\"args\":[\"a\"],\"user\":{\"uid\":1,"
				   "\"gid\":2}}\n";
	static const char bad[] = "{\"cwd\":\"/\",\"args\":[\"a\"],\"user\":{\"uid\":1}}";
	CLEANUP_ARENA struct arena arena = { 0 };
	struct spec_process *p;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(spec_read_process(&arena, text, strlen(text), &p, &err), 0);
	assert_true(p->given);
	assert_int_equal(p->user.gid, 2);
	assert_int_equal(spec_read_process(&arena, bad, strlen(bad), &p, &err), -EINVAL);
	assert_string_equal(err.msg, "process.user.gid: required but missing");
	assert_int_equal(spec_read_process(&arena, "[]", 2, &p, &err), -EINVAL);
	assert_string_equal(err.msg, "process: expected object, got array");
	assert_int_equal(spec_read_process(&arena, "{}", 2, &p, &err), -EINVAL);
	assert_string_equal(err.msg, "process.cwd: Cwd property must not be empty");
}

static void test_resources_alone(void **state)
{
	static const char text[] = "{\"memory\":{\"limit\":-1}}";
	static const char bad[] = "{\"memory\":{\"limit\":\"1g\"}}";
	CLEANUP_ARENA struct arena arena = { 0 };
	struct spec_resources *r;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(spec_read_resources(&arena, text, strlen(text), &r, &err), 0);
	assert_true(r->given && r->has_memory_limit && !r->has_memory_swap);
	assert_int_equal(r->memory_limit, -1);
	assert_int_equal(spec_read_resources(&arena, bad, strlen(bad), &r, &err), -EINVAL);
	assert_string_equal(err.msg, "resources.memory.limit: expected number, got string \"1g\"");
}

static void test_file(void **state)
{
	CLEANUP_ARENA struct arena arena = { 0 };
	const char *text = NULL;
	struct err err = { 0 };
	struct spec *s;
	size_t len = 0;

	(void)state;
	assert_int_equal(
		spec_read_file(&arena, AT_FDCWD, DATA_DIR "docker.json", &s, &text, &len, &err), 0);
	assert_true(len > 1000);
	assert_int_equal(text[0], '{');
	assert_int_equal(strlen(text), len);
	assert_int_equal(spec_read_file(&arena, AT_FDCWD, "config.json", &s, NULL, NULL, &err),
			 -ENOENT);
	assert_string_equal(err.msg, "JSON specification file config.json not found");
	assert_true(spec_read_file(&arena, AT_FDCWD, DATA_DIR, &s, NULL, NULL, &err) < 0);
}

static void test_callers(void **state)
{
	static const struct {
		const char *file;
		size_t n_mounts, n_namespaces, n_rules;
	} rows[] = {
		{ DATA_DIR "docker.json", 9, 6, 4 },
		{ DATA_DIR "podman.json", 10, 6, 3 },
		{ DATA_DIR "containerd.json", 9, 5, 0 },
	};
	CLEANUP_ARENA struct arena arena = { 0 };

	(void)state;
	log_begin(LOG_LEVEL_DEBUG);
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct spec *s = must_read_file(&arena, rows[i].file);

		assert_int_equal(s->n_mounts, rows[i].n_mounts);
		assert_int_equal(s->linux_.n_namespaces, rows[i].n_namespaces);
		assert_int_equal(s->linux_.seccomp.n_rules, rows[i].n_rules);
		assert_false(s->linux_.resources.has_cpu_shares && i == 0);
	}
	assert_string_equal(log_end(&arena), "");
}

/* A guard against something quadratic, not a benchmark: sanitizers make it many times slower. */
static void test_speed(void **state)
{
	CLEANUP_ARENA struct arena arena = { 0 };
	struct timespec begin, end;
	struct err err = { 0 };
	struct spec *s;
	char *text = NULL;
	size_t len = 0;
	double us;

	(void)state;
	assert_int_equal(
		io_read_file(AT_FDCWD, DATA_DIR "docker.json", 1 << 20, &arena, &text, &len), 0);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (int i = 0; i < 100; i++) {
		CLEANUP_ARENA struct arena one = { 0 };

		assert_int_equal(spec_read(&one, text, len, &s, &err), 0);
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	us = ((double)(end.tv_sec - begin.tv_sec) * 1e9 + (double)(end.tv_nsec - begin.tv_nsec)) /
	     1e5;
	print_message("# %zu bytes in %.1f us, %zu bytes of memory\n", len, us, arena.used);
	assert_true(us < 20000);
}

static void test_capability_names(void **state)
{
	(void)state;
	assert_int_equal(spec_capability("CAP_CHOWN"), 0);
	assert_int_equal(spec_capability("CAP_CHECKPOINT_RESTORE"), 40);
	assert_int_equal(spec_capability("CHOWN"), -1);
	assert_int_equal(spec_capability(""), -1);
	for (int i = 0; i <= 40; i++)
		assert_int_equal(spec_capability(spec_capability_name(i)), i);
	assert_null(spec_capability_name(41));
	assert_null(spec_capability_name(-1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_maximal),
		cmocka_unit_test(test_minimal),
		cmocka_unit_test(test_absent),
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_allowed_combinations),
		cmocka_unit_test(test_unknown_capabilities),
		cmocka_unit_test(test_platforms),
		cmocka_unit_test(test_no_warning_on_error),
		cmocka_unit_test(test_unknown_properties),
		cmocka_unit_test(test_relative_destination),
		cmocka_unit_test(test_process_alone),
		cmocka_unit_test(test_resources_alone),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_callers),
		cmocka_unit_test(test_speed),
		cmocka_unit_test(test_capability_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
