// SPDX-License-Identifier: GPL-2.0
/*
 * What moving, faulting and swapping a guest's memory costs, by instruction
 * count.
 *
 * Meant for QEMU's "-accel tcg,thread=single -icount shift=0,sleep=off" with
 * one CPU and two nodes, where a nanosecond is an instruction and boots differ
 * by less than a thousandth.  Elsewhere numbers are printed, not judged.
 *
 * Prints name<TAB>value<TAB>unit<TAB>note.
 */
#include "kselftest_harness.h"
#include <time.h>
#include "memfile_swap.h"

#define SIZE	(16UL << 20)
#define NR	(SIZE / MF_PAGE)
#define ROUNDS	7		/* the first is not counted */
#define TIMEOUT	(4 * MF_PATIENCE)

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
	return ts.tv_sec * 1e9 + ts.tv_nsec;
}

static void print(const char *name, double value, const char *unit,
		  const char *note)
{
	printf("%s\t%.3f\t%s\t%s\n", name, value, unit, note);
	fflush(stdout);
}

/* Two instructions a turn: does the clock count instructions? */
static bool clock_counts_instructions(void)
{
	unsigned long n = 10000000;
	double ns = now();

	asm volatile("1: dec %0; jnz 1b" : "+r"(n) : : "cc");
	ns = now() - ns;
	return ns > 19.8e6 && ns < 20.4e6;
}

static __u64 vm_stat(int vm, const char *name)
{
	int fd = ioctl(vm, KVM_GET_STATS_FD, NULL);
	struct kvm_stats_header head;
	__u64 value = 0;
	__u32 i;

	if (pread(fd, &head, sizeof(head), 0) != sizeof(head))
		return 0;
	for (i = 0; i < head.num_desc; i++) {
		size_t len = sizeof(struct kvm_stats_desc) + head.name_size;
		char buf[512] = "";
		struct kvm_stats_desc *desc = (void *)buf;

		if (pread(fd, buf, len, head.desc_offset + i * len) == len &&
		    !strcmp(desc->name, name) &&
		    pread(fd, &value, sizeof(value),
			  head.data_offset + desc->offset) == sizeof(value))
			break;
	}
	close(fd);
	return value;
}

/* One pass of the guest in this thread; the vCPU is parked afterwards. */
static double one_pass(struct __test_metadata *_metadata, struct mf_vm *vm)
{
	double ns = now();

	vm->vcpu[0].ctl->stop = 1;
	mf_run(&vm->vcpu[0]);
	ns = now() - ns;
	ASSERT_STREQ("", vm->vcpu[0].error);
	return ns;
}

struct cost {
	double instructions;	/* a page */
	double flushes;		/* remote TLB flushes a page */
};

/* Move all of it between nodes 0 and 1, back and forth. */
static struct cost move_rounds(struct __test_metadata *_metadata,
			       struct mf_vm *vm)
{
	static int nodes[NR], status[NR];
	static void *pages[NR];
	struct cost cost = {};
	__u64 flushes = 0;
	int i, round, node, left = 0;
	double ns = 0;

	one_pass(_metadata, vm);
	mf_map(vm);
	for (i = 0; i < NR; i++)
		pages[i] = vm->mem + i * MF_PAGE;
	mf_move_pages(vm, 0, SIZE, 0);
	one_pass(_metadata, vm);
	for (round = 0; round < ROUNDS; round++) {
		node = (round + 1) % 2;
		for (i = 0; i < NR; i++)
			nodes[i] = node;
		if (round == 1) {
			flushes = vm_stat(vm->fd, "remote_tlb_flush_requests");
			ns = 0;
		}
		ns -= now();
		syscall(__NR_move_pages, 0, NR, pages, nodes, status,
			MPOL_MF_MOVE);
		ns += now();
		for (i = 0; i < NR; i++)
			left += status[i] != node;
		ASSERT_EQ(0, left);
		/* Moved pages are mapped into the guest again, uncounted. */
		one_pass(_metadata, vm);
	}
	flushes = vm_stat(vm->fd, "remote_tlb_flush_requests") - flushes;
	cost.instructions = ns / NR / (ROUNDS - 1);
	cost.flushes = (double)flushes / NR / (ROUNDS - 1);
	return cost;
}

/* A VM that stays has its mmu_notifier called for what others move, too. */
static void end_vm(struct mf_vm *vm)
{
	munmap(vm->vcpu[0].run, vm->vcpu[0].run_size);
	munmap(vm->mem, SIZE);
	close(vm->mem_fd);
	close(vm->vcpu[0].fd);
	close(vm->fd);
}

/* The slot's address is the file's own mapping, or says nothing. */
static struct cost move_cost(struct __test_metadata *_metadata,
			     enum mf_client client, bool slot_has_mapping,
			     const char *name, const char *note)
{
	struct mf_vm vm;
	struct cost cost;
	char text[64];

	mf_create(_metadata, &vm, client, SIZE, GUEST_MEMFD_FLAG_MOVABLE, 1);
	if (!slot_has_mapping) {
		ASSERT_EQ(0, mf_set_slot(&vm, 0));
		vm.hva = 0;
		ASSERT_EQ(0, mf_set_slot(&vm, SIZE));
	}
	cost = move_rounds(_metadata, &vm);
	snprintf(text, sizeof(text), "move_%s", name);
	print(text, cost.instructions, "ns/page", note);
	snprintf(text, sizeof(text), "flushes_%s", name);
	print(text, cost.flushes, "flushes/page", note);
	end_vm(&vm);
	return cost;
}

FIXTURE(bench)
{
};

FIXTURE_SETUP(bench)
{
}

FIXTURE_TEARDOWN(bench)
{
}

TEST_F_TIMEOUT(bench, move, TIMEOUT)
{
	struct cost memfd, bound, mapped, hva;
	const char *lacks = mf_lacks_nodes();

	if (!lacks)
		lacks = mf_lacks(MF_MEMFD, 0);
	if (lacks)
		SKIP(return, "%s", lacks);
	memfd = move_cost(_metadata, MF_MEMFD, true, "memfd",
			  "ordinary slot on memfd");
	lacks = mf_lacks(MF_BOUND, GUEST_MEMFD_FLAG_MOVABLE);
	if (lacks)
		SKIP(return, "%s", lacks);
	bound = move_cost(_metadata, MF_BOUND, false, "bound",
			  "bound guest_memfd");
	mapped = move_cost(_metadata, MF_BOUND, true, "bound_mapped",
			   "the same, the slot's address its own mapping");
	hva = move_cost(_metadata, MF_HVA, true, "hva",
			"ordinary slot on mapped guest_memfd");
	print("ratio_bound", bound.instructions / memfd.instructions, "",
	      "to memfd");
	print("ratio_bound_mapped", mapped.instructions / memfd.instructions,
	      "", "to memfd");
	print("ratio_hva", hva.instructions / memfd.instructions, "",
	      "to memfd");

	EXPECT_LE(bound.flushes * 8, 1.0);
	EXPECT_LE(mapped.flushes * 8, 1.0);
	if (!clock_counts_instructions())
		SKIP(return, "no icount: ratios are printed, not judged");
	EXPECT_LE(bound.instructions, memfd.instructions);
	EXPECT_LE(mapped.instructions, memfd.instructions);
}

/* The first touch of each page by the guest, less a touch of it later. */
static void fault_cost(struct __test_metadata *_metadata,
		       enum mf_client client, __u64 flags, bool allocated,
		       const char *name, const char *note)
{
	struct mf_vm vm;
	double ns;

	mf_create(_metadata, &vm, client, SIZE, flags, 1);
	if (allocated)
		ASSERT_EQ(0, fallocate(vm.mem_fd, FALLOC_FL_KEEP_SIZE, 0,
				       SIZE));
	vm.vcpu[0].ctl->step = MF_PAGE;
	ns = one_pass(_metadata, &vm);
	ns -= one_pass(_metadata, &vm);
	print(name, ns / NR, "ns/page", note);
	end_vm(&vm);
}

TEST_F_TIMEOUT(bench, fault, TIMEOUT)
{
	const char *lacks = mf_lacks(MF_BOUND, 0);
	__u64 move = GUEST_MEMFD_FLAG_MOVABLE;

	if (lacks)
		SKIP(return, "%s", lacks);
	fault_cost(_metadata, MF_BOUND, 0, false, "fault_warm_up", "ignore");
	fault_cost(_metadata, MF_BOUND, 0, false, "fault_fresh",
		   "no flag; allocated by the fault");
	fault_cost(_metadata, MF_BOUND, 0, true, "fault_allocated",
		   "no flag; allocated before");
	lacks = mf_lacks(MF_BOUND, move);
	if (lacks)
		SKIP(return, "%s", lacks);
	fault_cost(_metadata, MF_BOUND, move, false, "fault_fresh_movable",
		   "movable; allocated by the fault");
	fault_cost(_metadata, MF_BOUND, move, true, "fault_allocated_movable",
		   "movable; allocated before");
}

static long memory_swapped(void)
{
	char value[32] = "";

	mf_read(mf_cgroup_file("memory.swap.current"), value, sizeof(value));
	return strtol(value, NULL, 10);
}

struct swap_cost {
	double out, in;		/* instructions a page */
};

/* By request: of all that is in the cgroup, only this memory is asked for. */
static double by_request(struct mf_vm *vm)
{
	double ns = now();

	if (vm->client == MF_MEMFD)
		madvise(vm->mem, SIZE, MADV_PAGEOUT);
	else
		posix_fadvise(vm->mem_fd, 0, 0, POSIX_FADV_DONTNEED);
	return now() - ns;
}

/* By the cgroup's reclaim, until nearly all of it is out. */
static double by_reclaim(struct mf_vm *vm)
{
	double ns = now();
	int i;

	for (i = 0; i < 64 && memory_swapped() < (long)SIZE / 16 * 15; i++)
		mf_write(mf_cgroup_file("memory.reclaim"), "1M");
	return now() - ns;
}

/*
 * In place of one_pass(), for a VM that never runs: its memory is mapped nowhere,
 * so this is what swapping takes of itself.
 */
static double write_pass(struct __test_metadata *_metadata, struct mf_vm *vm)
{
	double ns = now();
	__u64 i;

	for (i = 0; i < NR; i++)
		pwrite(vm->mem_fd, &i, sizeof(i), i * MF_PAGE);
	return now() - ns;
}

/* All of it out, and in by @pass, less what that itself takes. */
static struct swap_cost swap_cost(struct __test_metadata *_metadata,
				  enum mf_client client,
				  double (*out)(struct mf_vm *vm),
				  double (*pass)(struct __test_metadata *_metadata,
						 struct mf_vm *vm),
				  const char *name, const char *note)
{
	struct swap_cost cost = {};
	struct mf_vm vm;
	char text[64];
	long pages = 0;
	int round;

	mf_create(_metadata, &vm, client, SIZE, client == MF_MEMFD ? 0 :
		  GUEST_MEMFD_FLAG_SWAPPABLE, 1);
	/* A word a page: what compressing takes is not ours. */
	vm.vcpu[0].ctl->step = MF_PAGE;
	pass(_metadata, &vm);
	for (round = 0; round < ROUNDS; round++) {
		if (round == 1) {
			cost = (struct swap_cost){};
			pages = 0;
		}
		cost.out += out(&vm);
		pages += memory_swapped() / MF_PAGE;
		cost.in += pass(_metadata, &vm);
		cost.in -= pass(_metadata, &vm);
	}
	ASSERT_LE((long)NR / 4 * 3 * (ROUNDS - 1), pages);
	cost.out /= pages;
	cost.in /= pages;
	snprintf(text, sizeof(text), "%s_out", name);
	print(text, cost.out, "ns/page", note);
	snprintf(text, sizeof(text), "%s_in", name);
	print(text, cost.in, "ns/page", note);
	end_vm(&vm);
	return cost;
}

/*
 * What the guest's use of memory adds to swapping it, to what it adds to memfd.
 * The rest of the cost is the kernel's swap and the compressor's, for both.
 */
static double added(double bound, double memfd, double alone)
{
	return (bound - alone) / (memfd - alone);
}

TEST_F_TIMEOUT(bench, swap, TIMEOUT)
{
	struct swap_cost alone, memfd, bound = {};
	struct swap_cost memfd_request, bound_request;
	struct mf_swap swap = {};
	const char *lacks = mf_lacks(MF_MEMFD, 0);

	if (!lacks && !mf_enter_cgroup())
		lacks = "no memory cgroup v2";
	if (!lacks)
		lacks = mf_swap_on(&swap, MF_ZRAM, 64UL << 20);
	if (lacks)
		SKIP(return, "%s", lacks);
	alone = swap_cost(_metadata, MF_MEMFD, by_reclaim, write_pass,
			  "reclaim_alone", "memfd mapped nowhere, write(2)");
	memfd = swap_cost(_metadata, MF_MEMFD, by_reclaim, one_pass,
			  "reclaim_memfd",
			  "ordinary slot on memfd, memory.reclaim");
	memfd_request = swap_cost(_metadata, MF_MEMFD, by_request, one_pass,
				  "request_memfd", "the same, MADV_PAGEOUT");
	lacks = mf_lacks(MF_BOUND, GUEST_MEMFD_FLAG_SWAPPABLE);
	if (!lacks) {
		bound = swap_cost(_metadata, MF_BOUND, by_reclaim, one_pass,
				  "reclaim_bound",
				  "bound guest_memfd, memory.reclaim");
		bound_request = swap_cost(_metadata, MF_BOUND, by_request,
					  one_pass, "request_bound",
					  "the same, POSIX_FADV_DONTNEED");
		print("ratio_out", bound.out / memfd.out, "", "to memfd");
		print("ratio_in", bound.in / memfd.in, "", "to memfd");
		print("ratio_request_out", bound_request.out / memfd_request.out,
		      "", "to memfd");
		print("added_out", added(bound.out, memfd.out, alone.out), "",
		      "to memfd, both less reclaim_alone");
		print("added_in", added(bound.in, memfd.in, alone.in), "",
		      "to memfd, both less reclaim_alone");
	}
	ASSERT_EQ(0, mf_swap_off(&swap));
	mf_leave_cgroup();
	if (lacks)
		SKIP(return, "%s", lacks);
	if (!clock_counts_instructions())
		SKIP(return, "no icount: ratios are printed, not judged");
	EXPECT_LE(added(bound.out, memfd.out, alone.out), 0.5);
	EXPECT_LE(added(bound.in, memfd.in, alone.in), 0.5);
}

TEST_HARNESS_MAIN
