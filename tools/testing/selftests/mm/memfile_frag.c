// SPDX-License-Identifier: GPL-2.0
/*
 * Fragment a host with private memory, and look at its physical memory.
 *
 *	memfile_frag hold --mb N [--movable | --memfd]
 *
 * allocates N MB in a guest_memfd that is bound to a VM of its own (or, to
 * compare, in a memfd), frees one of each two pages, prints "frag: holding ..."
 * and keeps the rest until it is killed.  Pages are freed in an order that
 * scatters whoever allocates next over all of the holes.  Which one of two is
 * freed varies: where compaction found nothing it looks at every 2nd, 4th, ...
 * 32nd page only, and would miss free pages that are all odd ones.
 *
 *	memfile_frag map
 *
 * prints a line for each 2 MB block of physical memory: its number, and how
 * many of its pages are free, belong to hugetlb pages, are private memory, are
 * other memory of user space (on the LRU), and are anything else.  Private
 * memory is known by being file pages that are unevictable and not swap-backed,
 * which ramfs and locked file mappings would be, too.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/falloc.h>
#include <linux/kernel-page-flags.h>
#include <linux/kvm.h>

#define MB		(1024 * 1024UL)
#define PAGE_SIZE	4096UL
#define BLOCK_PAGES	(2 * MB / PAGE_SIZE)
#define BIT(n)		(1ULL << (n))
#define STRIDE		1000003		/* prime, more than there are holes */

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

static void bad_usage(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vwarnx(fmt, ap);
	va_end(ap);
	fprintf(stderr,
		"usage: memfile_frag hold --mb N [--movable | --memfd]\n"
		"       memfile_frag map\n");
	exit(EXIT_USAGE);
}

static int xioctl(const char *name, int fd, unsigned long request, void *arg)
{
	int ret = ioctl(fd, request, arg);

	if (ret < 0)
		err(EXIT_FAILED, "%s", name);
	return ret;
}

/* A guest_memfd in the only slot of a VM without vCPUs */
static int private_memory(size_t size, bool movable)
{
	struct kvm_create_guest_memfd gmem = {
		.size = size,
		.flags = GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED |
			 (movable ? GUEST_MEMFD_FLAG_MOVABLE : 0),
	};
	struct kvm_userspace_memory_region2 slot = {
		.flags = KVM_MEM_GUEST_MEMFD,
		.memory_size = size,
	};
	int kvm, vm, fd, caps;
	void *map;

	kvm = open("/dev/kvm", O_RDWR);
	if (kvm < 0)
		err(EXIT_FAILED, "/dev/kvm");
	vm = xioctl("KVM_CREATE_VM", kvm, KVM_CREATE_VM, NULL);
	caps = ioctl(vm, KVM_CHECK_EXTENSION, KVM_CAP_GUEST_MEMFD_FLAGS);
	if (caps < 0 || gmem.flags & ~(__u64)caps)
		errx(EXIT_FAILED, "KVM has guest_memfd flags %#x, not %#llx%s",
		     caps, gmem.flags, !movable ? "" :
		     "; see /sys/kernel/mm/memfile/movable");
	fd = xioctl("KVM_CREATE_GUEST_MEMFD", vm, KVM_CREATE_GUEST_MEMFD,
		    &gmem);
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		err(EXIT_FAILED, "mmap");
	slot.guest_memfd = fd;
	slot.userspace_addr = (unsigned long)map;
	xioctl("KVM_SET_USER_MEMORY_REGION2", vm, KVM_SET_USER_MEMORY_REGION2,
	       &slot);
	return fd;
}

static int shared_memory(size_t size)
{
	int fd = memfd_create("memfile_frag", 0);

	if (fd < 0 || ftruncate(fd, size))
		err(EXIT_FAILED, "memfd_create");
	return fd;
}

static int hold(int argc, char **argv)
{
	static const struct option options[] = {
		{ "mb",		required_argument, NULL, 'n' },
		{ "movable",	no_argument,	   NULL, 'M' },
		{ "memfd",	no_argument,	   NULL, 'm' },
		{ }
	};
	bool movable = false, memfd = false;
	size_t size = 0, holes;
	char *end;
	int c, fd;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'n':
			size = strtoul(optarg, &end, 10) * MB;
			if (*optarg < '1' || *optarg > '9' || *end)
				bad_usage("--mb: '%s' is not a size", optarg);
			break;
		case 'M':
			movable = true;
			break;
		case 'm':
			memfd = true;
			break;
		default:
			bad_usage("bad arguments");
		}
	}
	if (optind < argc)
		bad_usage("'%s' is not an option", argv[optind]);
	if (!size)
		bad_usage("--mb is required");
	if (movable && memfd)
		bad_usage("--movable and --memfd exclude each other");

	fd = memfd ? shared_memory(size) : private_memory(size, movable);
	if (fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, size))
		err(EXIT_FAILED, "allocating %zu MB", size / MB);
	printf("frag: allocated %zu MB\n", size / MB);
	fflush(stdout);
	holes = size / PAGE_SIZE / 2;
	for (size_t i = 0; i < holes; i++) {
		size_t pair = i * STRIDE % holes;
		size_t page = 2 * pair + (pair * 0x9e3779b97f4a7c15 >> 63);

		if (fallocate(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE,
			      page * PAGE_SIZE, PAGE_SIZE))
			err(EXIT_FAILED, "punching a hole at page %zu", page);
	}
	printf("frag: holding half of the pages of %zu MB\n", size / MB);
	fflush(stdout);
	for (;;)
		pause();
}

static int map(void)
{
	const __u64 private = BIT(KPF_LRU) | BIT(KPF_UNEVICTABLE);
	const __u64 not_private = BIT(KPF_ANON) | BIT(KPF_SWAPBACKED);
	__u64 flags[BLOCK_PAGES];
	int fd;

	fd = open("/proc/kpageflags", O_RDONLY);
	if (fd < 0)
		err(EXIT_FAILED, "/proc/kpageflags");
	for (unsigned long block = 0;; block++) {
		unsigned int free = 0, huge = 0, priv = 0, lru = 0, other = 0;
		ssize_t n = read(fd, flags, sizeof(flags));
		unsigned int pages = 0;

		if (n < 0)
			err(EXIT_FAILED, "/proc/kpageflags");
		if (!n)
			return 0;
		for (unsigned int i = 0; i < n / sizeof(*flags); i++) {
			__u64 f = flags[i];

			if (f & BIT(KPF_NOPAGE) || f & BIT(KPF_OFFLINE))
				continue;
			pages++;
			if (f & BIT(KPF_BUDDY))
				free++;
			else if (f & BIT(KPF_HUGE))
				huge++;
			else if ((f & private) == private && !(f & not_private))
				priv++;
			else if (f & BIT(KPF_LRU))
				lru++;
			else
				other++;
		}
		if (pages)
			printf("%lu %u %u %u %u %u\n", block, free, huge, priv,
			       lru, other);
	}
}

int main(int argc, char **argv)
{
	if (argc < 2)
		bad_usage("nothing to do");
	if (!strcmp(argv[1], "hold"))
		return hold(argc - 1, argv + 1);
	if (strcmp(argv[1], "map"))
		bad_usage("'%s' is neither hold nor map", argv[1]);
	if (argc > 2)
		bad_usage("'%s' is not an option", argv[2]);
	return map();
}
