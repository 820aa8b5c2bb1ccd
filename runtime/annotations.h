/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crun's annotations, which podman and others put into configurations: one table says what each
 * does, and which are refused because their effect is not to be had here. Everything else that
 * begins with "run.oci." is unknown to this runtime and told in one warning.
 */
#pragma once

#include "common/err.h"
#include "spec/spec.h"

/* After a configuration was read: refuses what is not possible, and takes over what has a field of
 * its own (run.oci.seccomp.receiver). `warn`: tell the unknown ones. */
MUST_CHECK int annotations_apply(struct spec *spec, bool warn, struct err *err);

/* Files for the output of the hooks that run on the host; NULL: it is kept for the error. Inside a
 * container's namespaces the paths would be the container's. */
void annotations_hooks(const struct spec *spec, const char **ret_stdout, const char **ret_stderr);

/* What an annotation of the table does, as a half sentence; NULL: it is not in it. */
const char *annotations_effect(const char *key);

#define ANNOTATION_SUBGROUP "run.oci.systemd.subgroup"
#define ANNOTATION_KEEP_GROUPS "run.oci.keep_original_groups"
#define ANNOTATION_HOOKS_STDOUT "run.oci.hooks.stdout"
#define ANNOTATION_HOOKS_STDERR "run.oci.hooks.stderr"
#define ANNOTATION_PIDFD_RECEIVER "run.oci.pidfd_receiver"
#define ANNOTATION_MOUNT_CONTEXT "run.oci.mount_context_type"
