/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The front end for conmon's clients (podman, CRI-O): options and inherited descriptors, the client's
 * word to begin, the fork away, and then the monitor.
 */
#pragma once

/* The program was started as `conmon` or `thole-conmon`. Returns the exit status. */
int front_conmon_main(int argc, char **argv);
