// SPDX-License-Identifier: GPL-2.0
/*
 * Guest memory that goes to swap and comes back while the guest verifies and
 * rewrites it: on request, under memory pressure, and when things go wrong.
 */
#include "kselftest_harness.h"
#include <sys/time.h>
#include <sys/wait.h>
#include "memfile_swap.h"

/* Of the guest: MEMFILE_SWAP_MB (4), up to 64. */
#define SIZE	guest_size()
#define NR	(SIZE / MF_PAGE)
#define KB	(SIZE / 1024)
#define MAX_NR	((64UL << 20) / MF_PAGE)
#define TIMEOUT	(6 * MF_PATIENCE)
#define FLAGS	(GUEST_MEMFD_FLAG_MOVABLE | GUEST_MEMFD_FLAG_SWAPPABLE)
#define PUNCH	(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE)

static size_t guest_size(void)
{
	const char *mb = getenv("MEMFILE_SWAP_MB");

	return (mb ? strtoul(mb, NULL, 10) : 4) << 20;
}

static long resident_kb(struct mf_vm *vm)
{
	return mf_fdinfo_long(vm->mem_fd, "memfile-resident:");
}

static long swapped_kb(struct mf_vm *vm)
{
	return mf_fdinfo_long(vm->mem_fd, "memfile-swapped:");
}

static long swapins(struct mf_vm *vm)
{
	return mf_fdinfo_long(vm->mem_fd, "memfile-swapin:");
}

static long swapouts(struct mf_vm *vm)
{
	return mf_fdinfo_long(vm->mem_fd, "memfile-swapout:");
}

static int advise(struct mf_vm *vm, size_t offset, size_t len, int advice)
{
	return posix_fadvise(vm->mem_fd, offset, len, advice);
}

/* Of the cgroup's memory.stat. */
static long stat_of(const char *name)
{
	char value[32] = "";

	mf_lookup(mf_cgroup_file("memory.stat"), name, value, sizeof(value));
	return strtol(value, NULL, 10);
}

/* The kernel sums them up every few seconds, if little has changed. */
static bool stat_becomes(const char *name, long bytes)
{
	int i;

	for (i = 0; i < 100 && stat_of(name) != bytes; i++)
		usleep(100000);
	return i < 100;
}

/* Of the cgroup's file @name. */
static int set_bytes(const char *name, size_t bytes)
{
	char text[32];

	snprintf(text, sizeof(text), "%zu", bytes);
	return mf_write(mf_cgroup_file(name), text);
}

/*
 * Lower the cgroup's limit until the guest has no more than @bytes.  What else
 * is charged, in advance for each CPU, too, is not known exactly.
 */
static int squeeze(struct mf_vm *vm, long bytes)
{
	char text[32] = "";
	long limit;
	int ret = 0;

	mf_read(mf_cgroup_file("memory.current"), text, sizeof(text));
	for (limit = strtol(text, NULL, 10);
	     !ret && limit > bytes && resident_kb(vm) * 1024 > bytes;
	     limit -= bytes / 32)
		ret = set_bytes("memory.max", limit);
	return ret;
}

static int no_limit(void)
{
	return mf_write(mf_cgroup_file("memory.max"), "max");
}

static long oom_kills(void)
{
	char value[32] = "-1";

	mf_lookup(mf_cgroup_file("memory.events"), "oom_kill", value,
		  sizeof(value));
	return strtol(value, NULL, 10);
}

static void run(struct __test_metadata *_metadata, struct mf_vm *vm)
{
	mf_start(_metadata, &vm->vcpu[0]);
	mf_verify(_metadata, &vm->vcpu[0]);
}

/* The guest has written all of it, and is parked. */
static void fill(struct __test_metadata *_metadata, struct mf_vm *vm)
{
	run(_metadata, vm);
	mf_stop(_metadata, &vm->vcpu[0]);
}

static void finish(struct __test_metadata *_metadata, struct mf_vm *vm)
{
	mf_verify(_metadata, &vm->vcpu[0]);
	mf_stop(_metadata, &vm->vcpu[0]);
}

/* From now on the first vCPU uses @hot bytes, and nobody the rest. */
static void split(struct mf_vm *vm, size_t hot)
{
	struct mf_ctl *used = vm->vcpu[0].ctl, *rest = vm->vcpu[1].ctl;

	rest->start = used->start + hot;
	rest->end = used->end;
	rest->key = used->key;
	rest->check = 1;
	used->end = rest->start;
}

/* What was not used is as it was left. */
static void verify_rest(struct __test_metadata *_metadata, struct mf_vm *vm)
{
	mf_start(_metadata, &vm->vcpu[1]);
	mf_verify(_metadata, &vm->vcpu[1]);
	mf_stop(_metadata, &vm->vcpu[1]);
}

/* The VM ends, and so does its memory. */
static void end_vm(struct mf_vm *vm)
{
	int i;

	for (i = 0; i < vm->nr_vcpus; i++) {
		munmap(vm->vcpu[i].run, vm->vcpu[i].run_size);
		close(vm->vcpu[i].fd);
	}
	if (vm->mem)
		munmap(vm->mem, vm->size);
	close(vm->mem_fd);
	close(vm->fd);
}

/* For large guests so much that others can swap, too. */
static size_t swap_size(size_t size)
{
	return size < (64UL << 20) ? 64UL << 20 : 1UL << 30;
}

/* A VM of @size bytes in a cgroup of its own, and swap; false if that cannot be. */
static bool setup(struct __test_metadata *_metadata, struct mf_vm *vm,
		  struct mf_swap *swap, enum mf_client client,
		  enum mf_device device, size_t size)
{
	const char *lacks = mf_lacks(client, FLAGS);

	if (!lacks && !mf_enter_cgroup())
		lacks = "no memory cgroup v2";
	if (!lacks)
		lacks = mf_swap_on(swap, device, swap_size(size));
	if (lacks)
		SKIP(return false, "%s", lacks);
	mf_create(_metadata, vm, client, size, GUEST_MEMFD_FLAG_SWAPPABLE, 2);
	/* One vCPU has it all. */
	vm->vcpu[0].ctl->end = MF_GPA + size;
	return true;
}

/* Whatever a test did, no swap is lost: swapoff comes to an end. */
static void teardown(struct __test_metadata *_metadata, struct mf_vm *vm,
		     struct mf_swap *swap)
{
	if (vm->fd)
		end_vm(vm);
	EXPECT_EQ(0, mf_swap_off(swap)) {
		TH_LOG("%ld kB of swap are lost", mf_swap_used(swap));
	}
	mf_leave_cgroup();
}

/* Slots are freed a little later than what was in them. */
static bool swap_used_falls_to(struct mf_swap *swap, long kb)
{
	int i;

	for (i = 0; i < 100 && mf_swap_used(swap) > kb; i++)
		usleep(100000);
	return mf_swap_used(swap) <= kb;
}

FIXTURE(swap)
{
	struct mf_vm vm;
	struct mf_swap swap;
};

FIXTURE_VARIANT(swap)
{
	enum mf_client client;
	enum mf_device device;
};

FIXTURE_VARIANT_ADD(swap, bound_zram)
{
	.client = MF_BOUND,
	.device = MF_ZRAM,
};

FIXTURE_VARIANT_ADD(swap, private_zram)
{
	.client = MF_PRIVATE,
	.device = MF_ZRAM,
};

FIXTURE_VARIANT_ADD(swap, hva_zram)
{
	.client = MF_HVA,
	.device = MF_ZRAM,
};

FIXTURE_VARIANT_ADD(swap, bound_disk)
{
	.client = MF_BOUND,
	.device = MF_DISK,
};

FIXTURE_VARIANT_ADD(swap, private_disk)
{
	.client = MF_PRIVATE,
	.device = MF_DISK,
};

FIXTURE_VARIANT_ADD(swap, private_file)
{
	.client = MF_PRIVATE,
	.device = MF_FILE,
};

FIXTURE_VARIANT_ADD(swap, private_zswap)
{
	.client = MF_PRIVATE,
	.device = MF_ZSWAPPED,
};

FIXTURE_SETUP(swap)
{
	setup(_metadata, &self->vm, &self->swap, variant->client,
	      variant->device, SIZE);
}

FIXTURE_TEARDOWN(swap)
{
	teardown(_metadata, &self->vm, &self->swap);
}

/* All of it out, by request, of a parked guest, and back by its accesses. */
TEST_F_TIMEOUT(swap, advice, TIMEOUT)
{
	struct mf_vm *vm = &self->vm;

	fill(_metadata, vm);
	EXPECT_EQ(KB, resident_kb(vm));
	EXPECT_EQ(0, swapped_kb(vm));

	EXPECT_EQ(0, advise(vm, 0, 0, POSIX_FADV_DONTNEED));
	EXPECT_EQ(0, resident_kb(vm));
	EXPECT_EQ(KB, swapped_kb(vm));
	EXPECT_EQ(NR, swapouts(vm));
	EXPECT_EQ(KB, mf_swap_used(&self->swap));

	EXPECT_EQ(0, advise(vm, 0, 0, POSIX_FADV_WILLNEED));
	run(_metadata, vm);
	finish(_metadata, vm);
	EXPECT_EQ(KB, resident_kb(vm));
	EXPECT_EQ(0, swapped_kb(vm));
	EXPECT_EQ(NR, swapins(vm));
}

/* Out while the guest runs, again and again. */
TEST_F_TIMEOUT(swap, advice_to_running_guest, TIMEOUT)
{
	struct mf_vm *vm = &self->vm;
	int i, ret;

	run(_metadata, vm);
	for (i = 0; i < 5; i++) {
		ret = advise(vm, 0, SIZE, POSIX_FADV_DONTNEED);
		EXPECT_TRUE(!ret || ret == EBUSY) {
			TH_LOG("posix_fadvise: %s", strerror(ret));
		}
		mf_verify(_metadata, &vm->vcpu[0]);
	}
	EXPECT_LT(NR, swapouts(vm));
	finish(_metadata, vm);
}

/* A guest in two thirds of the memory that it uses. */
TEST_F_TIMEOUT(swap, memcg_limit, TIMEOUT)
{
	struct mf_vm *vm = &self->vm;

	run(_metadata, vm);
	ASSERT_EQ(0, squeeze(vm, SIZE * 2 / 3));
	mf_verify(_metadata, &vm->vcpu[0]);
	mf_verify(_metadata, &vm->vcpu[0]);
	EXPECT_LT(0, swapins(vm));
	EXPECT_GT(KB, resident_kb(vm));
	finish(_metadata, vm);
	ASSERT_EQ(0, no_limit());
}

/* Under a running guest, whose pages go out again at once. */
TEST_F_TIMEOUT(swap, swapoff, TIMEOUT)
{
	struct mf_vm *vm = &self->vm;
	const char *lacks;
	int i;

	run(_metadata, vm);
	for (i = 0; i < 3; i++) {
		advise(vm, 0, SIZE, POSIX_FADV_DONTNEED);
		ASSERT_EQ(0, mf_swap_off(&self->swap));
		EXPECT_EQ(0, swapped_kb(vm));
		mf_verify(_metadata, &vm->vcpu[0]);
		lacks = mf_swap_on(&self->swap, variant->device,
				   swap_size(SIZE));
		ASSERT_EQ(NULL, lacks);
	}
	finish(_metadata, vm);
}

/* Holes are zeroes, and their swap is free; the rest is as it was. */
TEST_F_TIMEOUT(swap, punch, TIMEOUT)
{
	struct mf_vm *vm = &self->vm;

	fill(_metadata, vm);
	ASSERT_EQ(0, advise(vm, 0, 0, POSIX_FADV_DONTNEED));
	ASSERT_EQ(0, fallocate(vm->mem_fd, PUNCH, SIZE / 4, SIZE / 2));
	EXPECT_EQ(KB / 2, swapped_kb(vm));
	EXPECT_EQ(0, resident_kb(vm));
	EXPECT_TRUE(swap_used_falls_to(&self->swap, KB / 2));

	/* Here and there the guest finds what it wrote, or zeroes there. */
	vm->vcpu[0].ctl->zero_ok = 1;
	run(_metadata, vm);
	finish(_metadata, vm);
	EXPECT_EQ(NR / 2, swapins(vm));
}

/* The file ends with pages in swap: teardown finds none there. */
TEST_F_TIMEOUT(swap, release, TIMEOUT)
{
	struct mf_vm *vm = &self->vm;

	fill(_metadata, vm);
	ASSERT_EQ(0, advise(vm, 0, 0, POSIX_FADV_DONTNEED));
	EXPECT_EQ(KB, mf_swap_used(&self->swap));
	end_vm(vm);
	vm->fd = 0;
	EXPECT_TRUE(swap_used_falls_to(&self->swap, 0));
}

/* What the interfaces say about what is in swap, and refuse. */
FIXTURE(seen)
{
	struct mf_vm vm;
	struct mf_swap swap;
	struct mf_swap better;
};

FIXTURE_SETUP(seen)
{
	if (setup(_metadata, &self->vm, &self->swap, MF_BOUND, MF_ZRAM, SIZE))
		fill(_metadata, &self->vm);
}

FIXTURE_TEARDOWN(seen)
{
	EXPECT_EQ(0, mf_swap_off(&self->better));
	teardown(_metadata, &self->vm, &self->swap);
}

#ifndef __NR_cachestat
#define __NR_cachestat 451
#endif

TEST_F_TIMEOUT(seen, swapped_is_not_absent, TIMEOUT)
{
	struct { __u64 off, len; } range = { 0, SIZE };
	struct mf_vm *vm = &self->vm;
	static unsigned char vec[MAX_NR];
	char value[64];
	size_t i, in = 0;
	struct {
		__u64 cache, dirty, writeback, evicted, recently_evicted;
	} cs;

	/* Out: the first half.  Never there: the last quarter. */
	ASSERT_EQ(0, advise(vm, 0, SIZE / 2, POSIX_FADV_DONTNEED));
	ASSERT_EQ(0, fallocate(vm->mem_fd, PUNCH, SIZE / 4 * 3, SIZE / 4));

	ASSERT_EQ(0, syscall(__NR_cachestat, vm->mem_fd, &range, &cs, 0));
	EXPECT_EQ(NR / 4, cs.cache);
	EXPECT_EQ(NR / 2, cs.evicted);
	EXPECT_EQ(NR / 2, cs.recently_evicted);

	ASSERT_EQ(0, mincore(vm->mem, SIZE, vec));
	for (i = 0; i < NR; i++)
		in += vec[i] & 1;
	EXPECT_EQ(NR / 4 * 3, in);
	EXPECT_EQ(1, vec[0] & 1);
	EXPECT_EQ(0, vec[NR - 1] & 1);

	EXPECT_EQ(0, lseek(vm->mem_fd, 0, SEEK_DATA));
	EXPECT_EQ(SIZE / 4 * 3, lseek(vm->mem_fd, 0, SEEK_HOLE));
	EXPECT_EQ(-1, lseek(vm->mem_fd, SIZE / 4 * 3, SEEK_DATA));
	EXPECT_EQ(ENXIO, errno);
	EXPECT_EQ(-1, lseek(vm->mem_fd, SIZE, SEEK_HOLE));
	EXPECT_EQ(ENXIO, errno);
	EXPECT_EQ(SIZE, lseek(vm->mem_fd, 0, SEEK_END));
	EXPECT_EQ(KB / 2, swapped_kb(vm));

	/* smaps: some mapping of this process has it in swap. */
	ASSERT_TRUE(mf_lookup("/proc/self/smaps_rollup", "Swap:", value,
			      sizeof(value)));
	EXPECT_LE((long)KB / 2, strtol(value, NULL, 10));

	/* Shadow entries would go, and the nodes that are full of them. */
	ASSERT_EQ(0, mf_write("/proc/sys/vm/drop_caches", "3"));
	EXPECT_EQ(KB / 2, swapped_kb(vm));

	/* By address, like by offset. */
	EXPECT_EQ(0, madvise(vm->mem, SIZE / 2, MADV_WILLNEED));
	EXPECT_EQ(KB / 2, swapped_kb(vm));
	EXPECT_EQ(0, madvise(vm->mem + SIZE / 2, SIZE / 4, MADV_PAGEOUT));
	EXPECT_LT(KB / 2, swapped_kb(vm));
	vm->vcpu[0].ctl->zero_ok = 1;
	run(_metadata, vm);
	finish(_metadata, vm);
}

TEST_F_TIMEOUT(seen, what_is_asked_for_is_done_or_refused, TIMEOUT)
{
	struct mf_vm *vm = &self->vm;
	int movable;

	EXPECT_EQ(EINVAL, advise(vm, -1, MF_PAGE, POSIX_FADV_DONTNEED));
	EXPECT_EQ(EINVAL, advise(vm, 0, -1, POSIX_FADV_DONTNEED));
	EXPECT_EQ(EINVAL, advise(vm, 0, MF_PAGE, 77));
	EXPECT_EQ(0, advise(vm, 0, MF_PAGE, POSIX_FADV_SEQUENTIAL));
	EXPECT_EQ(0, advise(vm, SIZE, MF_PAGE, POSIX_FADV_DONTNEED));
	EXPECT_EQ(0, advise(vm, SIZE * 2, 0, POSIX_FADV_DONTNEED));
	EXPECT_EQ(0, advise(vm, SIZE * 2, 0, POSIX_FADV_WILLNEED));
	/* Only whole pages go; offset and length are what they are. */
	EXPECT_EQ(0, advise(vm, 0, 100, POSIX_FADV_DONTNEED));
	EXPECT_EQ(0, advise(vm, 100, 100, POSIX_FADV_DONTNEED));
	EXPECT_EQ(0, advise(vm, 0, MF_PAGE - 1, POSIX_FADV_DONTNEED));
	EXPECT_EQ(0, advise(vm, 1, 2 * MF_PAGE - 2, POSIX_FADV_DONTNEED));
	EXPECT_EQ(0, swapped_kb(vm));
	EXPECT_EQ(0, advise(vm, 1, 2 * MF_PAGE, POSIX_FADV_DONTNEED));
	EXPECT_EQ(4, swapped_kb(vm));
	EXPECT_EQ(0, advise(vm, SIZE - MF_PAGE, 1UL << 62,
			    POSIX_FADV_DONTNEED));
	EXPECT_EQ(8, swapped_kb(vm));
	/* A file that is there for all is not less so for an ordinary one. */
	movable = mf_gmem_create(vm->fd, SIZE, GUEST_MEMFD_FLAG_MOVABLE);
	EXPECT_EQ(EOPNOTSUPP, posix_fadvise(movable, 0, 0, POSIX_FADV_DONTNEED));
	EXPECT_EQ(EOPNOTSUPP, posix_fadvise(movable, 0, 0, POSIX_FADV_WILLNEED));
	EXPECT_EQ(0, posix_fadvise(movable, 0, 0, POSIX_FADV_SEQUENTIAL));
	EXPECT_EQ(-1, lseek(movable, 0, SEEK_DATA));
	EXPECT_EQ(ESPIPE, errno);
	close(movable);

	/* Allocating what is in swap brings it in. */
	EXPECT_EQ(0, fallocate(vm->mem_fd, FALLOC_FL_KEEP_SIZE, 0, SIZE));
	EXPECT_EQ(0, swapped_kb(vm));
	EXPECT_EQ(KB, resident_kb(vm));
}

/* Shared memory that is counted as such, in and out. */
TEST_F_TIMEOUT(seen, accounting, TIMEOUT)
{
	struct mf_vm *vm = &self->vm;
	char value[32];

	EXPECT_TRUE(stat_becomes("shmem", SIZE));
	ASSERT_EQ(0, advise(vm, 0, 0, POSIX_FADV_DONTNEED));
	EXPECT_TRUE(stat_becomes("shmem", 0));
	ASSERT_TRUE(mf_read(mf_cgroup_file("memory.swap.current"), value,
			    sizeof(value)));
	EXPECT_EQ((long)SIZE, strtol(value, NULL, 10));
	EXPECT_EQ(0, fallocate(vm->mem_fd, PUNCH, 0, SIZE));
	ASSERT_TRUE(mf_read(mf_cgroup_file("memory.swap.current"), value,
			    sizeof(value)));
	EXPECT_EQ(0, strtol(value, NULL, 10));
}

/* Swap that is full, or that the cgroup must not use. */
TEST_F_TIMEOUT(seen, no_swap, TIMEOUT)
{
	struct mf_vm *vm = &self->vm;

	ASSERT_EQ(0, set_bytes("memory.swap.max", SIZE / 4));
	EXPECT_EQ(ENOSPC, advise(vm, 0, 0, POSIX_FADV_DONTNEED));
	EXPECT_GE(KB / 4, swapped_kb(vm));
	ASSERT_EQ(0, mf_write(mf_cgroup_file("memory.swap.max"), "max"));
	ASSERT_EQ(0, mf_swap_off(&self->swap));
	EXPECT_EQ(ENOSPC, advise(vm, 0, 0, POSIX_FADV_DONTNEED));
	EXPECT_EQ(0, swapped_kb(vm));
	ASSERT_EQ(NULL, mf_swap_on(&self->swap, MF_ZRAM, SIZE / 4));
	EXPECT_EQ(ENOSPC, advise(vm, 0, 0, POSIX_FADV_DONTNEED));
	EXPECT_LT(KB / 4 * 3, resident_kb(vm));
	run(_metadata, vm);
	finish(_metadata, vm);
}

/* Which pages memory pressure takes: both LRUs. */
FIXTURE(pressure)
{
	struct mf_vm vm;
	struct mf_swap swap;
	char lru_gen[16];
};

FIXTURE_VARIANT(pressure)
{
	enum mf_client client;
	const char *lru_gen;
};

FIXTURE_VARIANT_ADD(pressure, bound_mglru)
{
	.client = MF_BOUND,
	.lru_gen = "7",
};

FIXTURE_VARIANT_ADD(pressure, bound_classic)
{
	.client = MF_BOUND,
	.lru_gen = "0",
};

FIXTURE_VARIANT_ADD(pressure, private_mglru)
{
	.client = MF_PRIVATE,
	.lru_gen = "7",
};

FIXTURE_VARIANT_ADD(pressure, private_classic)
{
	.client = MF_PRIVATE,
	.lru_gen = "0",
};

#define LRU_GEN	"/sys/kernel/mm/lru_gen/enabled"

FIXTURE_SETUP(pressure)
{
	if (!mf_read(LRU_GEN, self->lru_gen, sizeof(self->lru_gen)))
		SKIP(return, "no MGLRU");
	ASSERT_EQ(0, mf_write(LRU_GEN, variant->lru_gen));
	setup(_metadata, &self->vm, &self->swap, variant->client, MF_ZRAM,
	      SIZE);
}

FIXTURE_TEARDOWN(pressure)
{
	teardown(_metadata, &self->vm, &self->swap);
	mf_write(LRU_GEN, self->lru_gen);
}

/* A quarter is used all the time, the rest is not: half has to go. */
TEST_F_TIMEOUT(pressure, working_set_stays, TIMEOUT)
{
	struct mf_vm *vm = &self->vm;
	char *mem = vm->mem;
	long in, out;
	int i;

	/* Mapped here, too, it would have been used twice. */
	vm->mem = NULL;
	fill(_metadata, vm);
	vm->mem = mem;
	split(vm, SIZE / 4);
	run(_metadata, vm);
	/* Little by little, so that there is time to use what is used. */
	for (i = 0; i < 16; i++) {
		EXPECT_EQ(0, set_bytes("memory.reclaim", SIZE / 32));
		mf_verify(_metadata, &vm->vcpu[0]);
	}
	in = stat_of("pswpin");
	out = stat_of("pswpout");
	TH_LOG("%ld of %lu pages went, and %ld of %lu in use came back",
	       out, NR, in, NR / 4);
	EXPECT_LE((long)NR / 4, out);
	/* At most half of what is in use. */
	EXPECT_GE((long)NR / 4 / 2, in);
	finish(_metadata, vm);
	verify_rest(_metadata, vm);
}

/* All of it is used all the time: a third has to go even so. */
TEST_F_TIMEOUT(pressure, reclaim_makes_progress, TIMEOUT)
{
	struct mf_vm *vm = &self->vm;

	run(_metadata, vm);
	ASSERT_EQ(0, squeeze(vm, SIZE * 2 / 3));
	mf_verify(_metadata, &vm->vcpu[0]);
	mf_verify(_metadata, &vm->vcpu[0]);
	EXPECT_LE((long)NR / 4, stat_of("pswpout"));
	EXPECT_GT((long)SIZE, stat_of("shmem"));
	EXPECT_EQ(0, oom_kills());
	finish(_metadata, vm);
	ASSERT_EQ(0, no_limit());
}

/* Guests of a size that takes long, in two thirds of it. */
FIXTURE(large)
{
	struct mf_vm vm;
	struct mf_swap swap;
};

FIXTURE_VARIANT(large)
{
	enum mf_client client;
	enum mf_device device;
	size_t size;
};

FIXTURE_VARIANT_ADD(large, private_64m_zram)
{
	.client = MF_PRIVATE,
	.device = MF_ZRAM,
	.size = 64UL << 20,
};

FIXTURE_VARIANT_ADD(large, bound_64m_disk)
{
	.client = MF_BOUND,
	.device = MF_DISK,
	.size = 64UL << 20,
};

FIXTURE_VARIANT_ADD(large, bound_512m_zram)
{
	.client = MF_BOUND,
	.device = MF_ZRAM,
	.size = 512UL << 20,
};

FIXTURE_VARIANT_ADD(large, private_512m_disk)
{
	.client = MF_PRIVATE,
	.device = MF_DISK,
	.size = 512UL << 20,
};

FIXTURE_SETUP(large)
{
	if (!getenv("MEMFILE_LARGE"))
		SKIP(return, "takes minutes: wants MEMFILE_LARGE");
	setup(_metadata, &self->vm, &self->swap, variant->client,
	      variant->device, variant->size);
}

FIXTURE_TEARDOWN(large)
{
	teardown(_metadata, &self->vm, &self->swap);
}

TEST_F_TIMEOUT(large, memcg_limit, TIMEOUT)
{
	struct mf_vm *vm = &self->vm;

	fill(_metadata, vm);
	ASSERT_EQ(0, squeeze(vm, variant->size / 3 * 2));
	run(_metadata, vm);
	TH_LOG("%ld MB out, %ld MB in", swapouts(vm) / 256, swapins(vm) / 256);
	EXPECT_LE((long)(variant->size / 4 / MF_PAGE), swapins(vm));
	EXPECT_EQ(0, oom_kills());
	mf_stop(_metadata, &vm->vcpu[0]);
	ASSERT_EQ(0, no_limit());
}

/* Pressure by somebody else: kswapd takes what the guest does not use. */
TEST_F_TIMEOUT(large, beside_stress_ng, TIMEOUT)
{
	struct mf_vm *vm = &self->vm;
	char total[32] = "";
	int status;
	pid_t child;

	if (variant->device != MF_DISK)
		SKIP(return, "pressure on zram is pressure on memory");
	if (system("stress-ng --version >/dev/null 2>&1"))
		SKIP(return, "no stress-ng");
	fill(_metadata, vm);
	split(vm, variant->size / 4);
	run(_metadata, vm);
	child = fork();
	if (!child) {
		mf_write(MF_CGROUP "/cgroup.procs", "0");
		/* More than the machine has. */
		mf_lookup("/proc/meminfo", "MemTotal:", total, sizeof(total));
		snprintf(total, sizeof(total), "%ldk",
			 strtol(total, NULL, 10) / 5 * 6);
		execlp("stress-ng", "stress-ng", "--vm", "1", "--vm-bytes",
		       total, "--vm-keep", "--vm-method", "write64",
		       "--timeout", "30", "-q", NULL);
		_exit(1);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	TH_LOG("%ld MB out, %ld MB in", swapouts(vm) / 256, swapins(vm) / 256);
	EXPECT_LT(0, swapouts(vm));
	finish(_metadata, vm);
	verify_rest(_metadata, vm);
}

/* Of two devices the better one, until it is full. */
TEST_F_TIMEOUT(seen, priorities, TIMEOUT)
{
	struct mf_vm *vm = &self->vm;
	struct mf_swap *better = &self->better;
	const char *lacks;

	lacks = mf_swap_add(better, MF_ZRAM, 1UL << 20, 2);
	ASSERT_EQ(NULL, lacks);
	ASSERT_EQ(0, advise(vm, 0, SIZE / 8, POSIX_FADV_DONTNEED));
	EXPECT_EQ(0, mf_swap_used(&self->swap));
	EXPECT_EQ(KB / 8, mf_swap_used(better));
	ASSERT_EQ(0, advise(vm, 0, 0, POSIX_FADV_DONTNEED));
	/* A page of it is the header. */
	EXPECT_EQ(1024 - 4, mf_swap_used(better));
	EXPECT_EQ(KB - 1024 + 4, mf_swap_used(&self->swap));

	/* What was there goes to the other. */
	ASSERT_EQ(0, mf_swap_off(better));
	ASSERT_EQ(0, advise(vm, 0, 0, POSIX_FADV_DONTNEED));
	EXPECT_EQ(KB, mf_swap_used(&self->swap));
	run(_metadata, vm);
	finish(_metadata, vm);
}

/* A read that does not end, and processes that must not wait for it. */
FIXTURE(stopped)
{
	struct mf_vm vm;
	struct mf_swap swap;
};

FIXTURE_VARIANT(stopped)
{
	enum mf_client client;
};

FIXTURE_VARIANT_ADD(stopped, bound)
{
	.client = MF_BOUND,
};

FIXTURE_VARIANT_ADD(stopped, private)
{
	.client = MF_PRIVATE,
};

FIXTURE_SETUP(stopped)
{
	setup(_metadata, &self->vm, &self->swap, variant->client, MF_MAPPED,
	      SIZE);
}

FIXTURE_TEARDOWN(stopped)
{
	if (self->swap.on)
		mf_swap_stop(false);
	teardown(_metadata, &self->vm, &self->swap);
}

/* The VMM is told of the signal, and what was being read is there later. */
TEST_F_TIMEOUT(stopped, signal, TIMEOUT)
{
	struct itimerval soon = {
		.it_value.tv_usec = 500000, .it_interval.tv_usec = 500000,
	};
	struct itimerval off = {};
	struct sigaction sa = { .sa_handler = mf_on_alarm };
	struct mf_vm *vm = &self->vm;
	struct mf_vcpu *vcpu = &vm->vcpu[0];

	fill(_metadata, vm);
	ASSERT_EQ(0, advise(vm, 0, 0, POSIX_FADV_DONTNEED));
	ASSERT_TRUE(mf_swap_stop(true));
	ASSERT_EQ(0, sigaction(SIGALRM, &sa, NULL));
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &soon, NULL));
	EXPECT_EQ(-1, ioctl(vcpu->fd, KVM_RUN, 0));
	EXPECT_EQ(EINTR, errno);
	EXPECT_EQ(KVM_EXIT_INTR, vcpu->run->exit_reason);
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &off, NULL));
	EXPECT_EQ(KB, swapped_kb(vm));

	ASSERT_TRUE(mf_swap_stop(false));
	run(_metadata, vm);
	finish(_metadata, vm);
	EXPECT_EQ(NR, swapins(vm));
}

/* Whether @pid is blocked in KVM_RUN, for which nothing else is to be done. */
static bool in_kvm_run(pid_t pid)
{
	char path[32], text[128] = "", expected[32];

	snprintf(path, sizeof(path), "/proc/%d/syscall", pid);
	snprintf(expected, sizeof(expected), " 0x%x ", (int)KVM_RUN);
	return mf_read(path, text, sizeof(text)) && strstr(text, expected);
}

/* Who is killed does not wait, and leaves nothing behind. */
TEST_F_TIMEOUT(stopped, killed, TIMEOUT)
{
	int i, status;
	pid_t child;

	child = fork();
	if (!child) {
		struct mf_vm vm;

		mf_create(_metadata, &vm, variant->client, SIZE,
			  GUEST_MEMFD_FLAG_SWAPPABLE, 1);
		fill(_metadata, &vm);
		advise(&vm, 0, 0, POSIX_FADV_DONTNEED);
		if (mf_swap_stop(true))
			mf_run(&vm.vcpu[0]);
		_exit(1);
	}
	/* All is in swap, and the guest wants it. */
	for (i = 0; i < MF_PATIENCE * 100; i++) {
		if (mf_swap_used(&self->swap) >= KB && in_kvm_run(child))
			break;
		usleep(10000);
	}
	EXPECT_GT(MF_PATIENCE * 100, i);
	ASSERT_EQ(0, kill(child, SIGKILL));
	for (i = 0; i < 1000 && !waitpid(child, &status, WNOHANG); i++)
		usleep(10000);
	EXPECT_GT(1000, i) {
		TH_LOG("it waits");
	}
	ASSERT_TRUE(mf_swap_stop(false));
	if (i == 1000)
		waitpid(child, &status, 0);
	EXPECT_EQ(SIGKILL, WTERMSIG(status));
	/* What was being read is in the swap cache, until somebody wants it. */
	EXPECT_TRUE(swap_used_falls_to(&self->swap, 8 * MF_PAGE / 1024));
}

/* When swap, memory or processes fail. */
FIXTURE(failing)
{
	struct mf_vm vm;
	struct mf_swap swap;
};

FIXTURE_VARIANT(failing)
{
	enum mf_device device;
};

FIXTURE_VARIANT_ADD(failing, make_request)
{
	.device = MF_DISK,
};

FIXTURE_VARIANT_ADD(failing, dm_flakey)
{
	.device = MF_MAPPED,
};

FIXTURE_SETUP(failing)
{
	if (setup(_metadata, &self->vm, &self->swap, MF_BOUND, variant->device,
		  SIZE))
		fill(_metadata, &self->vm);
}

#define FAULTS	"/sys/kernel/debug/"

/* Let what @attr is about fail for ever, or not; false if it cannot be. */
static bool inject(const char *attr, bool on)
{
	static const char * const values[][2] = {
		{ "verbose", "0" }, { "interval", "1" }, { "times", "-1" },
	};
	char path[96];
	int i;

	for (i = 0; i < ARRAY_SIZE(values); i++) {
		snprintf(path, sizeof(path), FAULTS "%s/%s", attr, values[i][0]);
		if (mf_write(path, values[i][1]))
			return false;
	}
	snprintf(path, sizeof(path), FAULTS "%s/probability", attr);
	return !mf_write(path, on ? "100" : "0");
}

static bool disk_fails(struct mf_swap *swap, bool on)
{
	const char *disk = getenv("MEMFILE_SWAP_DISK");
	char path[64];

	if (swap->device == MF_MAPPED)
		return mf_swap_fail(swap, on);

	snprintf(path, sizeof(path), "/sys/block/%s/make-it-fail",
		 strrchr(disk, '/') + 1);
	return !mf_write(path, on ? "1" : "0") && inject("fail_make_request", on);
}

/* Pages that this thread asks for. */
static bool memory_fails(bool on)
{
	return !mf_write(FAULTS "fail_page_alloc/task-filter", "Y") &&
	       !mf_write(FAULTS "fail_page_alloc/ignore-gfp-wait", "N") &&
	       !mf_write(FAULTS "fail_page_alloc/ignore-gfp-highmem", "N") &&
	       !mf_write(FAULTS "fail_page_alloc/min-order", "0") &&
	       !mf_write("/proc/thread-self/make-it-fail", on ? "1" : "0") &&
	       inject("fail_page_alloc", on);
}

FIXTURE_TEARDOWN(failing)
{
	if (self->swap.on) {
		memory_fails(false);
		disk_fails(&self->swap, false);
	}
	teardown(_metadata, &self->vm, &self->swap);
}

/* Run the guest here and expect KVM to report @error for some page. */
static __u64 expect_memory_fault(struct __test_metadata *_metadata,
				 struct mf_vm *vm, int error)
{
	struct mf_vcpu *vcpu = &vm->vcpu[0];

	vcpu->ctl->stop = 1;
	mf_run(vcpu);
	EXPECT_EQ(KVM_EXIT_MEMORY_FAULT, vcpu->run->exit_reason) {
		TH_LOG("guest: %s", vcpu->error);
	}
	EXPECT_EQ(error, vcpu->exit_errno);
	vcpu->error[0] = 0;
	return vcpu->run->memory_fault.gpa;
}

/* One page cannot be read; those that were to be read with it can, later. */
TEST_F_TIMEOUT(failing, read, TIMEOUT)
{
	struct mf_vm *vm = &self->vm;
	struct mf_ctl *ctl = vm->vcpu[0].ctl;
	__u64 bad, gpa, key;

	if (!disk_fails(&self->swap, false))
		SKIP(return, "no fail_make_request, or no dm-flakey");
	ASSERT_EQ(0, advise(vm, 0, 0, POSIX_FADV_DONTNEED));

	/* The guest may find some that are still in the swap cache. */
	ctl->start = MF_GPA + SIZE / 2;
	ASSERT_TRUE(disk_fails(&self->swap, true));
	bad = expect_memory_fault(_metadata, vm, EHWPOISON);
	ASSERT_TRUE(disk_fails(&self->swap, false));
	EXPECT_LE(ctl->start, bad);
	EXPECT_EQ(KB - 4, swapped_kb(vm) + resident_kb(vm));
	EXPECT_LE(KB / 2, swapped_kb(vm));

	/* For ever, though the disk is well, and whatever is asked for. */
	EXPECT_EQ(bad, expect_memory_fault(_metadata, vm, EHWPOISON));
	EXPECT_EQ(0, advise(vm, bad - MF_GPA, MF_PAGE, POSIX_FADV_WILLNEED));
	EXPECT_EQ(0, advise(vm, bad - MF_GPA, MF_PAGE, POSIX_FADV_DONTNEED));
	EXPECT_EQ(0, fallocate(vm->mem_fd, FALLOC_FL_KEEP_SIZE, bad - MF_GPA,
			       MF_PAGE));
	EXPECT_EQ(0, mf_swap_off(&self->swap));
	EXPECT_EQ(bad, expect_memory_fault(_metadata, vm, EHWPOISON));
	EXPECT_EQ(0, swapped_kb(vm));
	EXPECT_EQ(KB - 4, resident_kb(vm));

	/* The others are whole; the guest is between two generations. */
	for (gpa = MF_GPA; gpa < MF_GPA + SIZE; gpa += 8) {
		if (gpa == bad)
			gpa += MF_PAGE;
		key = ctl->key;
		if (gpa >= ctl->start && gpa < bad)
			key += MF_GOLDEN;
		ASSERT_EQ(gpa ^ key, *(__u64 *)(vm->mem + gpa - MF_GPA)) {
			TH_LOG("at %#llx", gpa);
		}
	}

	/* A hole is a hole. */
	ASSERT_EQ(0, fallocate(vm->mem_fd, PUNCH, bad - MF_GPA, MF_PAGE));
	EXPECT_EQ(0, *(__u64 *)(vm->mem + bad - MF_GPA));
}

/* What cannot be written stays, and is told. */
TEST_F_TIMEOUT(failing, write, TIMEOUT)
{
	struct mf_vm *vm = &self->vm;

	if (!disk_fails(&self->swap, true))
		SKIP(return, "no fail_make_request, or no dm-flakey");
	EXPECT_EQ(EIO, advise(vm, 0, SIZE / 2, POSIX_FADV_DONTNEED));
	/* Neither does pressure lose it. */
	set_bytes("memory.reclaim", SIZE / 4);
	ASSERT_TRUE(disk_fails(&self->swap, false));
	run(_metadata, vm);
	finish(_metadata, vm);
	EXPECT_EQ(0, advise(vm, 0, 0, POSIX_FADV_DONTNEED));
	run(_metadata, vm);
	finish(_metadata, vm);
}

#define KPF_SWAPCACHE	0x2000UL

/* A page of the cgroup that only the swap cache has; 0 if there is none. */
static __u64 swapcache_pfn(void)
{
	static __u64 pfns[2 * MAX_NR];
	size_t i, nr = mf_cgroup_pfns(pfns, 2 * MAX_NR);

	for (i = 0; i < nr; i++)
		if (mf_kpageflags(pfns[i]) & KPF_SWAPCACHE)
			return pfns[i];
	return 0;
}

/* Memory breaks that has a copy in swap. */
TEST_F_TIMEOUT(failing, memory_in_swapcache, TIMEOUT)
{
	struct mf_vm *vm = &self->vm;
	char text[32];
	__u64 pfn = 0;
	int i;

	if (access(FAULTS "hwpoison/corrupt-pfn", W_OK))
		SKIP(return, "no hwpoison injection");
	ASSERT_EQ(0, advise(vm, 0, 0, POSIX_FADV_DONTNEED));
	ASSERT_EQ(0, advise(vm, 0, 0, POSIX_FADV_WILLNEED));
	for (i = 0; i < 100 && !(pfn = swapcache_pfn()); i++)
		usleep(100000);
	ASSERT_NE(0, pfn);
	snprintf(text, sizeof(text), "%#llx", pfn);
	ASSERT_EQ(0, mf_write(FAULTS "hwpoison/corrupt-pfn", text));
	EXPECT_TRUE(mf_kpageflags(pfn) & KPF_HWPOISON);

	run(_metadata, vm);
	finish(_metadata, vm);
	EXPECT_EQ(NR, swapins(vm));
	mf_unpoison(pfn);
}

/* No memory to read a page into: the VMM is told, and may try again. */
TEST_F_TIMEOUT(failing, allocation, TIMEOUT)
{
	struct mf_vm *vm = &self->vm;
	__u64 gpa;

	if (!memory_fails(false))
		SKIP(return, "no fail_page_alloc");
	ASSERT_EQ(0, advise(vm, 0, 0, POSIX_FADV_DONTNEED));
	ASSERT_TRUE(memory_fails(true));
	gpa = expect_memory_fault(_metadata, vm, ENOMEM);
	EXPECT_EQ(gpa, expect_memory_fault(_metadata, vm, ENOMEM));
	ASSERT_TRUE(memory_fails(false));
	EXPECT_EQ(MF_GPA, gpa);
	EXPECT_EQ(KB, swapped_kb(vm));
	run(_metadata, vm);
	finish(_metadata, vm);
	EXPECT_EQ(NR, swapins(vm));
}

/* Killed in the middle of it: teardown finds no swap in use. */
TEST_F_TIMEOUT(failing, killed, TIMEOUT)
{
	int i, status;
	pid_t child;

	ASSERT_EQ(0, set_bytes("memory.max", 2 * SIZE));
	for (i = 0; i < 8; i++) {
		child = fork();
		if (!child) {
			struct mf_vm vm;

			mf_create(_metadata, &vm, MF_BOUND, SIZE,
				  GUEST_MEMFD_FLAG_SWAPPABLE, 2);
			mf_start(_metadata, &vm.vcpu[0]);
			mf_start(_metadata, &vm.vcpu[1]);
			for (;;)
				advise(&vm, 0, 0, POSIX_FADV_DONTNEED);
		}
		usleep(200000 + random() % 400000);
		ASSERT_EQ(0, kill(child, SIGKILL));
		ASSERT_EQ(child, waitpid(child, &status, 0));
		EXPECT_EQ(SIGKILL, WTERMSIG(status));
	}
	ASSERT_EQ(0, no_limit());
	run(_metadata, &self->vm);
	finish(_metadata, &self->vm);
}

TEST_HARNESS_MAIN
