// SPDX-License-Identifier: GPL-2.0
/*
 * Guest memory that moves while the guest verifies and rewrites it: by
 * compaction, offlining, soft-offline and by node; and memory that must not.
 */
#include "kselftest_harness.h"
#include <linux/io_uring.h>
#include <sys/uio.h>
#include "memfile_vm.h"

#define SIZE	(8UL << 20)
#define NR	(SIZE / MF_PAGE)
#define NODE0	"/sys/devices/system/node/node0"
#define POOL(kb) "/hugepages/hugepages-" kb "kB/nr_hugepages"
#define PROACTIVENESS "/proc/sys/vm/compaction_proactiveness"
#define TIMEOUT	(4 * MF_PATIENCE)

/*
 * A VM whose memory is not allocated yet, in a cgroup that shows what becomes
 * of it where no page table does.
 */
static void setup(struct __test_metadata *_metadata, struct mf_vm *vm,
		  enum mf_client client, __u64 flags)
{
	const char *lacks = mf_lacks(client, flags);

	if (lacks)
		SKIP(return, "%s", lacks);
	if (client == MF_PRIVATE && !mf_enter_cgroup())
		SKIP(return, "no memory cgroup v2 to know private pages by");
	mf_create(_metadata, vm, client, SIZE, flags, 1);
}

static void teardown(struct mf_vm *vm)
{
	if (vm->client == MF_PRIVATE)
		mf_leave_cgroup();
}

/* Let the guest write all of it; it goes on verifying after this. */
static void run(struct __test_metadata *_metadata, struct mf_vm *vm)
{
	mf_start(_metadata, &vm->vcpu[0]);
	mf_verify(_metadata, &vm->vcpu[0]);
}

static void finish(struct __test_metadata *_metadata, struct mf_vm *vm)
{
	mf_verify(_metadata, &vm->vcpu[0]);
	mf_stop(_metadata, &vm->vcpu[0]);
}

/* What the page frames say and what fdinfo says; frames alone for memfd. */
static void expect_moved(struct __test_metadata *_metadata, struct mf_vm *vm,
			 __u64 *before, size_t at_least)
{
	size_t moved = mf_moved(vm, before, mf_pfns(_metadata, vm));

	TH_LOG("%zu of %lu pages moved", moved, NR);
	EXPECT_LE(at_least, moved);
	if (vm->client != MF_MEMFD)
		EXPECT_LE((long)moved, mf_migrated(vm->mem_fd));
}

static void expect_unmoved(struct __test_metadata *_metadata, struct mf_vm *vm,
			   __u64 *before)
{
	char caps[64];

	EXPECT_EQ(0, mf_moved(vm, before, mf_pfns(_metadata, vm)));
	if (mf_fdinfo(vm->mem_fd, "memfile-caps:", caps, sizeof(caps))) {
		EXPECT_STREQ("none", caps);
		EXPECT_EQ(0, mf_migrated(vm->mem_fd));
	}
}

/* Stock compaction gives up now and then, whatever the memory is. */
static void compact(struct __test_metadata *_metadata, struct mf_vm *vm,
		    __u64 *before)
{
	int i;

	for (i = 0; i < 5; i++) {
		mf_compact();
		if (mf_moved(vm, before, mf_pfns(_metadata, vm)))
			break;
	}
}

static size_t pages_in_block(__u64 *pfn, int block)
{
	__u64 pages = mf_block_pages();
	size_t i, n = 0;

	for (i = 0; i < NR; i++)
		n += pfn[i] / pages == block;
	return n;
}

/* Ask for big pages, and give them back; false if there were none. */
static bool fill_pool(const char *pool, unsigned long nr)
{
	char text[32];
	bool got;

	if (!mf_read(pool, text, sizeof(text)) || strcmp(text, "0"))
		return false;
	snprintf(text, sizeof(text), "%lu", nr);
	mf_write(pool, text);
	got = mf_read(pool, text, sizeof(text)) && strcmp(text, "0");
	mf_write(pool, "0");
	return got;
}

/* Soft-offline by physical address, as a machine check handler's daemon. */
static int soft_offline_pfn(__u64 pfn)
{
	char text[32];

	snprintf(text, sizeof(text), "%#llx", pfn * MF_PAGE);
	return mf_write(MF_BLOCKS "/soft_offline_page", text);
}

/* For tests that have one kind of VM, and take their time. */
FIXTURE(one)
{
};

FIXTURE_SETUP(one)
{
}

FIXTURE_TEARDOWN(one)
{
}

/* The judge of all else: one wrong bit is told, and where. */
TEST_F_TIMEOUT(one, guest_notices, TIMEOUT)
{
	const char *lacks = mf_lacks(MF_MEMFD, 0);
	struct mf_vm vm;

	if (lacks)
		SKIP(return, "%s", lacks);
	mf_create(_metadata, &vm, MF_MEMFD, SIZE, 0, 1);
	run(_metadata, &vm);
	mf_stop(_metadata, &vm.vcpu[0]);
	vm.mem[SIZE / 2] ^= 1;
	mf_start(_metadata, &vm.vcpu[0]);
	pthread_join(vm.vcpu[0].thread, NULL);
	EXPECT_EQ(0, strncmp(vm.vcpu[0].error, "gpa 0x40400000: ", 16)) {
		TH_LOG("%s", vm.vcpu[0].error);
	}
}

FIXTURE(memory)
{
	struct mf_vm vm;
	struct mf_block block;
	char proactiveness[32];		/* to be restored, with the pool */
};

FIXTURE_VARIANT(memory)
{
	enum mf_client client;
};

FIXTURE_VARIANT_ADD(memory, bound)
{
	.client = MF_BOUND,
};

FIXTURE_VARIANT_ADD(memory, hva)
{
	.client = MF_HVA,
};

FIXTURE_VARIANT_ADD(memory, private)
{
	.client = MF_PRIVATE,
};

FIXTURE_VARIANT_ADD(memory, memfd)
{
	.client = MF_MEMFD,
};

FIXTURE_SETUP(memory)
{
	setup(_metadata, &self->vm, variant->client, GUEST_MEMFD_FLAG_MOVABLE);
}

FIXTURE_TEARDOWN(memory)
{
	teardown(&self->vm);
	mf_restore_block(self->block);
	if (self->proactiveness[0]) {
		mf_write(PROACTIVENESS, self->proactiveness);
		mf_write(NODE0 POOL("2048"), "0");
	}
}

TEST_F_TIMEOUT(memory, compact_memory, TIMEOUT)
{
	__u64 *before;

	mf_allocate_scattered(_metadata, &self->vm);
	run(_metadata, &self->vm);
	before = mf_pfns(_metadata, &self->vm);
	compact(_metadata, &self->vm, before);
	expect_moved(_metadata, &self->vm, before, 1);
	finish(_metadata, &self->vm);
}

/*
 * Direct compaction on one node.  Of what is free between the scattered pages,
 * 56 MB, an ever larger part must be made huge pages; a machine with no other
 * node keeps the rest, so as not to run out.
 */
TEST_F_TIMEOUT(memory, huge_page_pool, TIMEOUT)
{
	struct mf_vm *vm = &self->vm;
	char free_kb[32];
	__u64 *before;
	int spare, least;

	if (access(NODE0 POOL("2048"), W_OK))
		SKIP(return, "no pool of 2 MB pages on node 0");
	mf_bind_to_node(0);
	mf_allocate_scattered(_metadata, vm);
	syscall(__NR_set_mempolicy, MPOL_DEFAULT, NULL, 0);
	run(_metadata, vm);
	before = mf_pfns(_metadata, vm);
	least = mf_lacks_nodes() ? 8 : -40;
	for (spare = 24; spare >= least; spare -= 8) {
		ASSERT_TRUE(mf_lookup(NODE0 "/meminfo", "Node 0 MemFree:",
				      free_kb, sizeof(free_kb)));
		if (!fill_pool(NODE0 POOL("2048"),
			       atol(free_kb) / 2048 - spare))
			SKIP(return, "a pool of 2 MB pages in use");
		if (mf_moved(vm, before, mf_pfns(_metadata, vm)))
			break;
	}
	expect_moved(_metadata, vm, before, 1);
	finish(_metadata, vm);
}

/*
 * kcompactd, which compacts proactively where too much of what is free is in
 * pieces: the pool takes what is not, but for a rest.
 */
TEST_F_TIMEOUT(memory, kcompactd, TIMEOUT)
{
	struct mf_vm *vm = &self->vm;
	char free_kb[32], text[32];
	__u64 *before;
	int i;

	if (!mf_read(NODE0 POOL("2048"), text, sizeof(text)) ||
	    strcmp(text, "0") ||
	    !mf_read(PROACTIVENESS, self->proactiveness, sizeof(text)))
		SKIP(return, "no proactive compaction, or no unused pool");
	mf_bind_to_node(0);
	mf_allocate_scattered(_metadata, vm);
	syscall(__NR_set_mempolicy, MPOL_DEFAULT, NULL, 0);
	run(_metadata, vm);
	ASSERT_TRUE(mf_lookup(NODE0 "/meminfo", "Node 0 MemFree:", free_kb,
			      sizeof(free_kb)));
	snprintf(text, sizeof(text), "%ld", atol(free_kb) / 2048 - 40);
	mf_write(NODE0 POOL("2048"), text);
	before = mf_pfns(_metadata, vm);
	mf_write(PROACTIVENESS, "100");
	for (i = 0; i < MF_PATIENCE; i++) {
		if (mf_moved(vm, before, mf_pfns(_metadata, vm)))
			break;
		sleep(1);
	}
	expect_moved(_metadata, vm, before, 1);
	finish(_metadata, vm);
}

/*
 * alloc_contig_range().  With hugetlb_cma=1G on the command line it is where
 * files go, and must succeed.
 */
TEST_F_TIMEOUT(memory, gigantic_page_pool, TIMEOUT)
{
	char cmdline[1024] = "";
	__u64 *before;
	bool cma;

	ASSERT_TRUE(mf_read("/proc/cmdline", cmdline, sizeof(cmdline)));
	cma = strstr(cmdline, "hugetlb_cma=");

	mf_allocate_scattered(_metadata, &self->vm);
	run(_metadata, &self->vm);
	before = mf_pfns(_metadata, &self->vm);
	if (!fill_pool("/sys/kernel/mm" POOL("1048576"), 100)) {
		EXPECT_FALSE(cma);
		SKIP(return, "no 1 GB that can be freed of other memory");
	}
	if (!cma && !mf_moved(&self->vm, before, mf_pfns(_metadata, &self->vm)))
		SKIP(return, "the 1 GB that was freed was elsewhere");
	expect_moved(_metadata, &self->vm, before, 1);
	finish(_metadata, &self->vm);
}

/* Some block in ZONE_MOVABLE with pages of the file; the rest of it is free. */
TEST_F_TIMEOUT(memory, offline_block, TIMEOUT)
{
	struct mf_vm *vm = &self->vm;
	__u64 *before, *after;
	int block, last = 0;
	size_t i, inside;

	self->block = mf_movable_block(0);
	if (!self->block.nr)
		SKIP(return, "node 0: no block is or can be in ZONE_MOVABLE");
	mf_bind_to_node(0);
	ASSERT_EQ(0, fallocate(vm->mem_fd, FALLOC_FL_KEEP_SIZE, 0, SIZE));
	run(_metadata, vm);
	before = mf_pfns(_metadata, vm);
	/* One that also holds memory of the boot is refused: try the next. */
	for (i = 0; i < NR; i++, last = block) {
		block = before[i] / mf_block_pages();
		if (block == last || !mf_block_is(block, "valid_zones",
						  "Movable"))
			continue;
		if (!mf_offline_block(block, 30))
			break;
	}
	ASSERT_GT(NR, i) {
		TH_LOG("no block of the file in ZONE_MOVABLE went offline");
	}
	if (!self->block.made)
		self->block.nr = block;
	EXPECT_TRUE(mf_block_is(block, "state", "offline"));
	inside = pages_in_block(before, block);
	after = mf_pfns(_metadata, vm);
	EXPECT_EQ(0, pages_in_block(after, block));
	expect_moved(_metadata, vm, before, inside);
	finish(_metadata, vm);
}

/*
 * Pages that only the guest has written, unmapped from the host; the vCPU is
 * parked, so that nothing but the file holds them.
 */
TEST_F_TIMEOUT(memory, soft_offline_page, TIMEOUT)
{
	__u64 *before, victim[8];
	int i;

	run(_metadata, &self->vm);
	mf_stop(_metadata, &self->vm.vcpu[0]);
	before = mf_pfns(_metadata, &self->vm);
	if (self->vm.mem)
		madvise(self->vm.mem, SIZE, MADV_DONTNEED);
	for (i = 0; i < ARRAY_SIZE(victim); i++) {
		victim[i] = before[i * NR / ARRAY_SIZE(victim)];
		EXPECT_EQ(0, soft_offline_pfn(victim[i]));
		EXPECT_TRUE(mf_kpageflags(victim[i]) & KPF_HWPOISON);
	}
	mf_start(_metadata, &self->vm.vcpu[0]);
	finish(_metadata, &self->vm);
	expect_moved(_metadata, &self->vm, before, ARRAY_SIZE(victim));
	for (i = 0; i < ARRAY_SIZE(victim); i++)
		mf_unpoison(victim[i]);
}

/* Memory that this process maps, too: it can be moved by address. */
FIXTURE(mapped)
{
	struct mf_vm vm;
	struct mf_block block;
};

FIXTURE_VARIANT(mapped)
{
	enum mf_client client;
};

FIXTURE_VARIANT_ADD(mapped, bound)
{
	.client = MF_BOUND,
};

FIXTURE_VARIANT_ADD(mapped, hva)
{
	.client = MF_HVA,
};

FIXTURE_VARIANT_ADD(mapped, memfd)
{
	.client = MF_MEMFD,
};

FIXTURE_SETUP(mapped)
{
	setup(_metadata, &self->vm, variant->client, GUEST_MEMFD_FLAG_MOVABLE);
}

FIXTURE_TEARDOWN(mapped)
{
	mf_restore_block(self->block);
}

TEST_F_TIMEOUT(mapped, move_pages, TIMEOUT)
{
	struct mf_vm *vm = &self->vm;
	__u64 *before;
	int round;

	if (mf_lacks_nodes())
		SKIP(return, "%s", mf_lacks_nodes());
	run(_metadata, vm);
	mf_map(vm);
	mf_move_pages(vm, 0, SIZE, 0);
	for (round = 1; round <= 4; round++) {
		before = mf_pfns(_metadata, vm);
		EXPECT_EQ(0, mf_move_pages(vm, 0, SIZE, round % 2));
		expect_moved(_metadata, vm, before, NR);
		mf_verify(_metadata, &vm->vcpu[0]);
	}
	finish(_metadata, vm);
}

TEST_F_TIMEOUT(mapped, mbind, TIMEOUT)
{
	struct mf_vm *vm = &self->vm;
	unsigned long node;
	__u64 *before;

	if (mf_lacks_nodes())
		SKIP(return, "%s", mf_lacks_nodes());
	run(_metadata, vm);
	mf_map(vm);
	mf_move_pages(vm, 0, SIZE, 0);
	for (node = 2; node > 0; node--) {
		before = mf_pfns(_metadata, vm);
		EXPECT_EQ(0, syscall(__NR_mbind, vm->mem, SIZE, MPOL_BIND,
				     &node, 64,
				     MPOL_MF_MOVE | MPOL_MF_STRICT));
		expect_moved(_metadata, vm, before, NR);
		mf_verify(_metadata, &vm->vcpu[0]);
	}
	finish(_metadata, vm);
}

TEST_F_TIMEOUT(mapped, migrate_pages, TIMEOUT)
{
	unsigned long node0 = 1, node1 = 2;
	struct mf_vm *vm = &self->vm;
	__u64 *before;

	if (mf_lacks_nodes())
		SKIP(return, "%s", mf_lacks_nodes());
	run(_metadata, vm);
	mf_map(vm);
	mf_move_pages(vm, 0, SIZE, 0);
	before = mf_pfns(_metadata, vm);
	EXPECT_LE(0, syscall(__NR_migrate_pages, 0, 64, &node0, &node1));
	expect_moved(_metadata, vm, before, NR);
	finish(_metadata, vm);
}

/* One page that only the guest wrote, one that only the host did. */
TEST_F_TIMEOUT(mapped, madv_soft_offline, TIMEOUT)
{
	struct mf_vm *vm = &self->vm;
	char *last = vm->mem + SIZE - MF_PAGE;
	char text[] = "written by the host";
	char *first = vm->mem;
	__u64 pfn[2];

	vm->vcpu[0].ctl->end -= MF_PAGE;
	run(_metadata, vm);
	memcpy(last, text, sizeof(text));
	mf_touch(first);
	pfn[0] = mf_pfn(first);
	pfn[1] = mf_pfn(last);
	EXPECT_EQ(0, madvise(first, MF_PAGE, MADV_SOFT_OFFLINE));
	EXPECT_EQ(0, madvise(last, MF_PAGE, MADV_SOFT_OFFLINE));
	EXPECT_STREQ(text, last);
	mf_verify(_metadata, &vm->vcpu[0]);
	mf_touch(first);
	EXPECT_NE(pfn[0], mf_pfn(first));
	EXPECT_NE(pfn[1], mf_pfn(last));
	EXPECT_TRUE(mf_kpageflags(pfn[0]) & KPF_HWPOISON);
	EXPECT_TRUE(mf_kpageflags(pfn[1]) & KPF_HWPOISON);
	finish(_metadata, vm);
	mf_unpoison(pfn[0]);
	mf_unpoison(pfn[1]);
}

/* A pipe holds a reference to the first page: it stays, the others go. */
TEST_F_TIMEOUT(mapped, pinned_page, TIMEOUT)
{
	struct mf_vm *vm = &self->vm;
	struct iovec iov = { vm->mem, MF_PAGE };
	char page[MF_PAGE];
	__u64 pinned;
	int pipe_fd[2];

	if (mf_lacks_nodes())
		SKIP(return, "%s", mf_lacks_nodes());
	run(_metadata, vm);
	mf_map(vm);
	mf_move_pages(vm, 0, SIZE, 0);

	ASSERT_EQ(0, pipe(pipe_fd));
	ASSERT_EQ(MF_PAGE, vmsplice(pipe_fd[1], &iov, 1, 0));
	pinned = mf_pfn(vm->mem);
	ASSERT_NE(0, pinned);
	EXPECT_EQ(1, mf_move_pages(vm, 0, SIZE, 1));
	mf_compact();
	mf_touch(vm->mem);
	EXPECT_EQ(pinned, mf_pfn(vm->mem));
	mf_verify(_metadata, &vm->vcpu[0]);

	ASSERT_EQ(MF_PAGE, read(pipe_fd[0], page, MF_PAGE));
	EXPECT_EQ(0, mf_move_pages(vm, 0, MF_PAGE, 1));
	mf_touch(vm->mem);
	EXPECT_NE(pinned, mf_pfn(vm->mem));
	finish(_metadata, vm);
}

/*
 * A pin for long: pages leave ZONE_MOVABLE before they are pinned, or it is
 * refused; in neither case do they block the offlining of their old block.
 */
TEST_F_TIMEOUT(mapped, longterm_pin, TIMEOUT)
{
	struct mf_vm *vm = &self->vm;
	struct iovec iov = { vm->mem, 16 * MF_PAGE };
	struct io_uring_params params = {};
	int ring, block, now_in, ret;

	ring = syscall(__NR_io_uring_setup, 1, &params);
	if (ring < 0)
		SKIP(return, "no io_uring to pin pages with");
	self->block = mf_movable_block(0);
	if (!self->block.nr)
		SKIP(return, "node 0: no block is or can be in ZONE_MOVABLE");
	mf_bind_to_node(0);
	run(_metadata, vm);
	mf_touch(vm->mem);
	block = mf_pfn(vm->mem) / mf_block_pages();
	ASSERT_TRUE(mf_block_is(block, "valid_zones", "Movable"));

	ret = syscall(__NR_io_uring_register, ring, IORING_REGISTER_BUFFERS,
		      &iov, 1);
	TH_LOG("pin: %s", ret ? strerror(errno) : "done");
	mf_touch(vm->mem);
	now_in = mf_pfn(vm->mem) / mf_block_pages();
	if (!ret)
		EXPECT_FALSE(mf_block_is(now_in, "valid_zones", "Movable"));
	/* Of other blocks it is not known whether they can go at all. */
	if (block == self->block.nr)
		EXPECT_EQ(0, mf_offline_block(block, 60));
	finish(_metadata, vm);
}

#define KVM_SYSTEM_TIME_NEW	0x4b564d01

/* What KVM itself writes to the guest goes where the page is now. */
TEST_F_TIMEOUT(mapped, kvmclock, TIMEOUT)
{
	struct mf_vm *vm = &self->vm;
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msr = {
		.head.nmsrs = 1,
		.entry.index = KVM_SYSTEM_TIME_NEW,
		.entry.data = (MF_GPA + SIZE - MF_PAGE) | 1,
	};
	__u32 *version = (__u32 *)(vm->mem + SIZE - MF_PAGE);
	struct kvm_clock_data clock = {};
	__u32 last;
	int round;

	if (mf_lacks_nodes())
		SKIP(return, "%s", mf_lacks_nodes());
	vm->vcpu[0].ctl->end -= MF_PAGE;
	ASSERT_EQ(1, ioctl(vm->vcpu[0].fd, KVM_SET_MSRS, &msr));
	run(_metadata, vm);
	mf_map(vm);
	mf_move_pages(vm, 0, SIZE, 1);
	for (round = 0; round < 4; round++) {
		last = *version;
		EXPECT_NE(0, last);
		EXPECT_EQ(0, mf_move_pages(vm, 0, SIZE, round % 2));
		ASSERT_EQ(0, ioctl(vm->fd, KVM_SET_CLOCK, &clock));
		mf_verify(_metadata, &vm->vcpu[0]);
		EXPECT_NE(last, *version);
	}
	finish(_metadata, vm);
}

/*
 * What else is mapped at the slot's address is out of the guest's reach, what
 * KVM maps in advance around a fault if the TDP MMU is off included.
 */
TEST_F_TIMEOUT(one, slot_address_is_other_memory, TIMEOUT)
{
	const char *lacks = mf_lacks(MF_BOUND, GUEST_MEMFD_FLAG_MOVABLE);
	__u64 *other, differ = 0;
	struct mf_vm vm;
	size_t i;

	if (lacks)
		SKIP(return, "%s", lacks);
	mf_create(_metadata, &vm, MF_BOUND, SIZE, GUEST_MEMFD_FLAG_MOVABLE, 1);
	other = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	ASSERT_NE(MAP_FAILED, other);
	ASSERT_EQ(0, mf_set_slot(&vm, 0));
	vm.hva = (__u64)other;
	ASSERT_EQ(0, mf_set_slot(&vm, SIZE));

	run(_metadata, &vm);
	mf_compact();
	mf_verify(_metadata, &vm.vcpu[0]);
	for (i = 0; i < SIZE / sizeof(*other); i++)
		differ |= other[i];
	EXPECT_EQ(0, differ);
	finish(_metadata, &vm);
}

/* A file that did not ask stays where it is, as ever. */
FIXTURE(unmovable)
{
	struct mf_vm vm;
};

FIXTURE_VARIANT(unmovable)
{
	enum mf_client client;
};

FIXTURE_VARIANT_ADD(unmovable, bound)
{
	.client = MF_BOUND,
};

FIXTURE_VARIANT_ADD(unmovable, hva)
{
	.client = MF_HVA,
};

FIXTURE_VARIANT_ADD(unmovable, private)
{
	.client = MF_PRIVATE,
};

FIXTURE_SETUP(unmovable)
{
	setup(_metadata, &self->vm, variant->client, 0);
}

FIXTURE_TEARDOWN(unmovable)
{
	teardown(&self->vm);
}

TEST_F_TIMEOUT(unmovable, stays, TIMEOUT)
{
	struct mf_vm *vm = &self->vm;
	__u64 *before;
	int block;

	mf_allocate_scattered(_metadata, vm);
	run(_metadata, vm);
	before = mf_pfns(_metadata, vm);
	mf_compact();
	expect_unmoved(_metadata, vm, before);

	if (vm->mem && !mf_lacks_nodes()) {
		/* Each page is on one node, and refuses the other. */
		EXPECT_EQ(NR, mf_move_pages(vm, 0, SIZE, 0) +
			      mf_move_pages(vm, 0, SIZE, 1));
		expect_unmoved(_metadata, vm, before);
	}

	block = before[NR / 2] / mf_block_pages();
	if (mf_block_is(block, "state", "online")) {
		EXPECT_NE(0, mf_offline_block(block, 3));
		EXPECT_TRUE(mf_block_is(block, "state", "online"));
		expect_unmoved(_metadata, vm, before);
	}
	finish(_metadata, vm);
}

TEST_HARNESS_MAIN
