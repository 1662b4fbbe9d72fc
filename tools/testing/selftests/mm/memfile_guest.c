// SPDX-License-Identifier: GPL-2.0
/*
 * The guest's only program: /init of the Linux guest that memfile_vmm runs.
 *
 * It fills most of the guest's memory with a pattern that depends on the
 * place and on a generation, then verifies every word and rewrites it with
 * the next generation, over and over.  A page that was lost, zeroed, taken
 * back from an earlier generation or put in another's place is an error.
 *
 * It reports through the kernel log, which needs no interrupt of the console:
 *
 *	guest: ready MB megabytes
 *	guest: pass N errors E maxstall_us U
 *	guest: done
 *
 * maxstall_us is the longest time between two pages by the guest's own clock,
 * less what printing took.  The kernel's command line gives, as variables of
 * init's environment: percent=, the part of free memory to use (default 90);
 * passes=, after how many to power off (default 0: go on); pause=, the seconds
 * to do nothing before each (default 0).
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PAGE_SIZE	4096UL
#define WORDS		(PAGE_SIZE / sizeof(unsigned long))
#define SHOWN_ERRORS	10
#define HEARTBEAT_US	500000

static int kmsg = -1;
static unsigned long errors;

/* Alert: printed whatever the console's log level. */
static void say(const char *fmt, ...)
{
	char buf[200];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = snprintf(buf, sizeof(buf), "<1>guest: ");
	n += vsnprintf(buf + n, sizeof(buf) - n, fmt, ap);
	va_end(ap);
	if (write(kmsg < 0 ? 1 : kmsg, buf, n) != n)
		_exit(1);	/* the kernel panics */
}

static unsigned long now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000UL + ts.tv_nsec / 1000;
}

static unsigned long parameter(const char *name, unsigned long value)
{
	const char *s = getenv(name);

	return s ? strtoul(s, NULL, 10) : value;
}

/* Odd factors: neighbouring words, pages and generations all differ. */
static unsigned long pattern(unsigned long page, unsigned long generation)
{
	return page * 0x9e3779b97f4a7c15 + generation * 0xc2b2ae3d27d4eb4f;
}

#define STEP	0xff51afd7ed558ccdUL	/* from one word to the next */

static void fill_page(unsigned long *p, unsigned long seed)
{
	for (unsigned long i = 0; i < WORDS; i++)
		p[i] = seed + i * STEP;
}

static void check_page(unsigned long *p, unsigned long page,
		       unsigned long generation)
{
	unsigned long old = pattern(page, generation);
	unsigned long new = pattern(page, generation + 1);

	for (unsigned long i = 0; i < WORDS; i++) {
		unsigned long seen = p[i];

		if (seen != old + i * STEP && errors++ < SHOWN_ERRORS)
			say("ERROR page %lu word %lu pass %lu: %#lx not %#lx\n",
			    page, i, generation, seen, old + i * STEP);
		p[i] = new + i * STEP;
	}
}

static unsigned long available_memory(void)
{
	unsigned long kb = 0;
	char line[128];
	FILE *f;

	f = fopen("/proc/meminfo", "r");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %lu", &kb) == 1)
			break;
	if (f)
		fclose(f);
	return kb * 1024;
}

int main(void)
{
	unsigned long pages, page, generation = 0, passes, pause_s, longest = 0;
	unsigned long last, said, t;
	const struct sched_param param = { };
	unsigned long *mem;

	mkdir("/dev", 0755);
	mkdir("/proc", 0755);
	mount("dev", "/dev", "devtmpfs", 0, NULL);
	mount("proc", "/proc", "proc", 0, NULL);
	kmsg = open("/dev/kmsg", O_WRONLY);
	/*
	 * A thread of the kernel prints what is said.  It has to come first:
	 * memfile_vmm takes a report for the state of things.
	 */
	sched_setscheduler(0, SCHED_IDLE, &param);

	passes = parameter("passes", 0);
	pause_s = parameter("pause", 0);
	pages = available_memory() / 100 * parameter("percent", 90) / PAGE_SIZE;
	mem = mmap(NULL, pages * PAGE_SIZE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!pages || mem == MAP_FAILED) {
		say("no memory: %lu pages\n", pages);
		return 1;
	}

	for (page = 0; page < pages; page++)
		fill_page(mem + page * WORDS, pattern(page, 0));
	say("ready %lu megabytes\n", pages * PAGE_SIZE >> 20);

	said = now_us();
	do {
		sleep(pause_s);
		last = now_us();
		for (page = 0; page < pages; page++) {
			check_page(mem + page * WORDS, page, generation);
			t = now_us();
			if (t - last > longest)
				longest = t - last;
			last = t;
		}
		generation++;
		if (last - said >= HEARTBEAT_US || generation == passes) {
			say("pass %lu errors %lu maxstall_us %lu\n",
			    generation, errors, longest);
			said = last;
		}
	} while (generation != passes);

	say("done\n");
	sync();
	reboot(RB_AUTOBOOT);
	return 1;
}
