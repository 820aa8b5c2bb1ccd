/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of mounts[].options: one table, one row a word. Pure. What is not in it is data of the
 * file system.
 */
#include "runtime/mount.h"
#include "runtime/plan_mounts.h"

enum option_kind {
	OPT_ATTR,      /* MOUNT_ATTR_* of this mount */
	OPT_REC_ATTR,  /* of this mount and everything below */
	OPT_SB,        /* MS_* of the superblock */
	OPT_PROPAGATE, /* MS_PRIVATE ..., set = recursive */
	OPT_BIND,
	OPT_RBIND,
	OPT_REMOUNT,
	OPT_COPYUP,
	OPT_IDMAP,
	OPT_RIDMAP,
	OPT_NOTHING,
};

struct option_row {
	const char *word;
	enum option_kind kind;
	uint64_t set, clr;
};

/* The kernel wants the whole access-time field cleared when any of it is set. */
#define ATIME MOUNT_ATTR__ATIME

/* Sorted: `features` prints it in this order. */
static const struct option_row table[] = {
	{ "async", OPT_SB, 0, MS_SYNCHRONOUS },
	{ "atime", OPT_ATTR, MOUNT_ATTR_RELATIME, ATIME },
	{ "bind", OPT_BIND, 0, 0 },
	{ "defaults", OPT_NOTHING, 0, 0 },
	{ "dev", OPT_ATTR, 0, MOUNT_ATTR_NODEV },
	{ "diratime", OPT_ATTR, 0, MOUNT_ATTR_NODIRATIME },
	{ "dirsync", OPT_SB, MS_DIRSYNC, 0 },
	{ "exec", OPT_ATTR, 0, MOUNT_ATTR_NOEXEC },
	{ "iversion", OPT_SB, MS_I_VERSION, 0 },
	{ "lazytime", OPT_SB, MS_LAZYTIME, 0 },
	{ "loud", OPT_SB, 0, MS_SILENT },
	{ "mand", OPT_SB, MS_MANDLOCK, 0 },
	{ "noatime", OPT_ATTR, MOUNT_ATTR_NOATIME, ATIME },
	{ "nodev", OPT_ATTR, MOUNT_ATTR_NODEV, 0 },
	{ "nodiratime", OPT_ATTR, MOUNT_ATTR_NODIRATIME, 0 },
	{ "noexec", OPT_ATTR, MOUNT_ATTR_NOEXEC, 0 },
	{ "noiversion", OPT_SB, 0, MS_I_VERSION },
	{ "nolazytime", OPT_SB, 0, MS_LAZYTIME },
	{ "nomand", OPT_SB, 0, MS_MANDLOCK },
	{ "norelatime", OPT_ATTR, MOUNT_ATTR_RELATIME, ATIME },
	{ "nostrictatime", OPT_ATTR, MOUNT_ATTR_RELATIME, ATIME },
	{ "nosuid", OPT_ATTR, MOUNT_ATTR_NOSUID, 0 },
	{ "nosymfollow", OPT_ATTR, MOUNT_ATTR_NOSYMFOLLOW, 0 },
	{ "private", OPT_PROPAGATE, 0, MS_PRIVATE },
	{ "ratime", OPT_REC_ATTR, MOUNT_ATTR_RELATIME, ATIME },
	{ "rbind", OPT_RBIND, 0, 0 },
	{ "rdev", OPT_REC_ATTR, 0, MOUNT_ATTR_NODEV },
	{ "rdiratime", OPT_REC_ATTR, 0, MOUNT_ATTR_NODIRATIME },
	{ "relatime", OPT_ATTR, MOUNT_ATTR_RELATIME, ATIME },
	{ "remount", OPT_REMOUNT, 0, 0 },
	{ "rexec", OPT_REC_ATTR, 0, MOUNT_ATTR_NOEXEC },
	{ "rnoatime", OPT_REC_ATTR, MOUNT_ATTR_NOATIME, ATIME },
	{ "rnodev", OPT_REC_ATTR, MOUNT_ATTR_NODEV, 0 },
	{ "rnodiratime", OPT_REC_ATTR, MOUNT_ATTR_NODIRATIME, 0 },
	{ "rnoexec", OPT_REC_ATTR, MOUNT_ATTR_NOEXEC, 0 },
	{ "rnorelatime", OPT_REC_ATTR, MOUNT_ATTR_RELATIME, ATIME },
	{ "rnostrictatime", OPT_REC_ATTR, MOUNT_ATTR_RELATIME, ATIME },
	{ "rnosuid", OPT_REC_ATTR, MOUNT_ATTR_NOSUID, 0 },
	{ "rnosymfollow", OPT_REC_ATTR, MOUNT_ATTR_NOSYMFOLLOW, 0 },
	{ "ro", OPT_ATTR, MOUNT_ATTR_RDONLY, 0 },
	{ "rprivate", OPT_PROPAGATE, 1, MS_PRIVATE },
	{ "rrelatime", OPT_REC_ATTR, MOUNT_ATTR_RELATIME, ATIME },
	{ "rro", OPT_REC_ATTR, MOUNT_ATTR_RDONLY, 0 },
	{ "rrw", OPT_REC_ATTR, 0, MOUNT_ATTR_RDONLY },
	{ "rshared", OPT_PROPAGATE, 1, MS_SHARED },
	{ "rslave", OPT_PROPAGATE, 1, MS_SLAVE },
	{ "rstrictatime", OPT_REC_ATTR, MOUNT_ATTR_STRICTATIME, ATIME },
	{ "rsuid", OPT_REC_ATTR, 0, MOUNT_ATTR_NOSUID },
	{ "rsymfollow", OPT_REC_ATTR, 0, MOUNT_ATTR_NOSYMFOLLOW },
	{ "runbindable", OPT_PROPAGATE, 1, MS_UNBINDABLE },
	{ "rw", OPT_ATTR, 0, MOUNT_ATTR_RDONLY },
	{ "shared", OPT_PROPAGATE, 0, MS_SHARED },
	{ "silent", OPT_SB, MS_SILENT, 0 },
	{ "slave", OPT_PROPAGATE, 0, MS_SLAVE },
	{ "strictatime", OPT_ATTR, MOUNT_ATTR_STRICTATIME, ATIME },
	{ "suid", OPT_ATTR, 0, MOUNT_ATTR_NOSUID },
	{ "symfollow", OPT_ATTR, 0, MOUNT_ATTR_NOSYMFOLLOW },
	{ "sync", OPT_SB, MS_SYNCHRONOUS, 0 },
	{ "tmpcopyup", OPT_COPYUP, 0, 0 },
	{ "unbindable", OPT_PROPAGATE, 0, MS_UNBINDABLE },
};

/* Known, but announced by linux.mountExtensions.idmap instead of the list of words. */
static const struct option_row extensions[] = {
	{ "idmap", OPT_IDMAP, 0, 0 },
	{ "ridmap", OPT_RIDMAP, 0, 0 },
};

/* The last word wins, so setting takes a bit out of `clr` and the other way round; only the
 * access-time field stays in `clr`, since the kernel wants it there. */
static void change(uint64_t *set, uint64_t *clr, const struct option_row *row)
{
	*set = (*set & ~row->clr) | row->set;
	*clr = (*clr & ~(row->set & ~(uint64_t)ATIME)) | row->clr;
}

static void apply_row(struct plan_mount *m, struct mount_words *words, const struct option_row *row)
{
	switch (row->kind) {
	case OPT_ATTR:
		change(&m->attr_set, &m->attr_clr, row);
		break;
	case OPT_REC_ATTR:
		change(&m->rec_set, &m->rec_clr, row);
		break;
	case OPT_SB:
		m->sb_flags = (m->sb_flags & ~(unsigned long)row->clr) | (unsigned long)row->set;
		break;
	case OPT_PROPAGATE:
		m->propagation = row->clr;
		m->propagation_recursive = row->set;
		break;
	case OPT_BIND:
		words->bind = true;
		break;
	case OPT_RBIND:
		words->bind = true;
		m->recursive = true;
		break;
	case OPT_REMOUNT:
		words->remount = true;
		break;
	case OPT_COPYUP:
		m->tmpcopyup = true;
		break;
	case OPT_RIDMAP:
		m->idmap_recursive = true;
		m->idmap = true;
		break;
	case OPT_IDMAP:
		m->idmap = true;
		break;
	case OPT_NOTHING:
		break;
	}
}

bool mount_option_apply(struct plan_mount *m, struct mount_words *words, const char *word)
{
	for (size_t i = 0; i < ARRAY_COUNT(table); i++) {
		if (str_eq(table[i].word, word)) {
			apply_row(m, words, &table[i]);
			return true;
		}
	}
	for (size_t i = 0; i < ARRAY_COUNT(extensions); i++) {
		if (str_eq(extensions[i].word, word)) {
			apply_row(m, words, &extensions[i]);
			return true;
		}
	}
	return false;
}

const char *const *mount_option_words(void)
{
	static const char *words[ARRAY_COUNT(table) + 1];

	for (size_t i = 0; i < ARRAY_COUNT(table); i++)
		words[i] = table[i].word;
	return words;
}
