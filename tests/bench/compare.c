/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times commands side by side: one of each in turn, ROUNDS times, so that whatever else the machine
 * does hits all of them. Prints minimum, median and 90th percentile in milliseconds, cpu time, and
 * the ratio of the medians to the first command's.
 *
 *   compare ROUNDS NAME COMMAND... -- NAME COMMAND... -- ...
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define COMMANDS_MAX 16

struct command {
	const char *name;
	char **argv;
	double *wall, cpu;
	int failures;
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static double run_once(struct command *c)
{
	posix_spawn_file_actions_t fa;
	struct rusage ru;
	int status;
	pid_t pid;
	double start;

	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&fa, 1, "/dev/null", O_WRONLY, 0);
	start = now();
	if (posix_spawnp(&pid, c->argv[0], &fa, NULL, c->argv, environ)) {
		fprintf(stderr, "compare: %s: %s\n", c->argv[0], strerror(errno));
		exit(1);
	}
	wait4(pid, &status, 0, &ru);
	double wall = now() - start;
	if (status)
		c->failures++;
	c->cpu += (double)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1e3 +
		  (double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e3;
	posix_spawn_file_actions_destroy(&fa);
	return wall;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	struct command c[COMMANDS_MAX] = { 0 };
	int n = 0, rounds = argc > 1 ? atoi(argv[1]) : 0, failed = 0;

	for (int i = 2; i < argc && n < COMMANDS_MAX; n++) {
		c[n].name = argv[i++];
		c[n].argv = argv + i;
		while (i < argc && strcmp(argv[i], "--") != 0)
			i++;
		if (i < argc)
			argv[i++] = NULL;
	}
	if (rounds < 1 || n == 0) {
		fprintf(stderr, "usage: compare ROUNDS NAME COMMAND... [-- NAME COMMAND...]...\n");
		return 2;
	}
	for (int k = 0; k < n; k++) {
		c[k].wall = calloc((size_t)rounds, sizeof(double));
		run_once(&c[k]); /* warm-up, not counted */
		c[k].cpu = 0;
	}
	for (int r = 0; r < rounds; r++)
		for (int k = 0; k < n; k++)
			c[k].wall[r] = run_once(&c[k]);
	printf("%-26s %9s %9s %9s %9s %7s\n", "ms", "min", "median", "p90", "cpu", "ratio");
	for (int k = 0; k < n; k++) {
		qsort(c[k].wall, (size_t)rounds, sizeof(double), by_value);
		double med = c[k].wall[rounds / 2];
		printf("%-26s %9.2f %9.2f %9.2f %9.2f %7.2f", c[k].name, c[k].wall[0], med,
		       c[k].wall[rounds * 9 / 10], c[k].cpu / rounds, med / c[0].wall[rounds / 2]);
		if (c[k].failures)
			printf("  %d of %d FAILED", c[k].failures, rounds + 1);
		putchar('\n');
		failed |= c[k].failures;
	}
	return failed != 0;
}
