// SPDX-License-Identifier: GPL-2.0
/*
 * Moving and swapping guest memory against everything else that happens to it.
 * Each race lasts MEMFILE_SECONDS (5).
 */
#include "kselftest_harness.h"
#include <setjmp.h>
#include <sys/wait.h>
#include "memfile_swap.h"

#define SIZE		(8UL << 20)
#define HALF		(SIZE / 2)
#define SWAP_SIZE	(64UL << 20)
#define CHUNK_PAGES	64
#define TIMEOUT		(4 * MF_PATIENCE)
#define LONG_TIMEOUT	(TIMEOUT + 3600)
#define PUNCH		(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE)

/*
 * A thread that moves a VM's memory all the while: from node to node where it
 * is mapped, else by taking offline a block of one node after one of the other.
 * If there is swap, another thread that pages it out.
 */
struct mover {
	struct mf_vm *vm;
	struct mf_block block[2];
	struct mf_swap swap;
	long moved;		/* when it started */
	long swapped;
	bool stop;
	pthread_t thread;
	pthread_t swapper;
};

static long pages_moved(struct mf_vm *vm)
{
	char value[32] = "";

	if (vm->client != MF_MEMFD)
		return mf_migrated(vm->mem_fd);
	mf_lookup("/proc/vmstat", "pgmigrate_success", value, sizeof(value));
	return strtol(value, NULL, 10);
}

static void *mover_run(void *arg)
{
	struct mover *mover = arg;
	int i;

	for (i = 0; !mover->stop; i++) {
		int block = mover->block[i % 2].nr;

		if (block) {
			mf_set_block(block, "offline");
			mf_set_block(block, "online_movable");
		} else {
			mf_move_pages(mover->vm, 0, mover->vm->size, i % 2);
		}
		mf_compact();
	}
	return NULL;
}

static long pages_swapped(struct mf_vm *vm)
{
	return mf_fdinfo_long(vm->mem_fd, "memfile-swapin:");
}

/* By advice and by pressure; every now and then the swap goes itself. */
static void *swapper_run(void *arg)
{
	struct mover *mover = arg;
	unsigned int seed = 1;
	int i;

	for (i = 0; !mover->stop; i++) {
		size_t offset = rand_r(&seed) % SIZE;
		size_t len = rand_r(&seed) % (SIZE / 4);

		posix_fadvise(mover->vm->mem_fd, offset, len,
			      i % 8 == 5 ? POSIX_FADV_WILLNEED :
					   POSIX_FADV_DONTNEED);
		if (i % 8 == 3)
			mf_write(mf_cgroup_file("memory.reclaim"), "1M");
		if (i % 32 == 31 && !mf_swap_off(&mover->swap))
			mf_swap_on(&mover->swap, MF_ZRAM, SWAP_SIZE);
		usleep(1000);
	}
	return NULL;
}

/* Before any other thread is started: all shall allocate where @mover looks. */
static const char *mover_prepare(struct mover *mover, struct mf_vm *vm)
{
	mover->vm = vm;
	if (vm->mem && !mf_lacks_nodes())
		return NULL;
	/* What leaves a node's block goes to another node, if there is one. */
	mover->block[0] = mf_movable_block(0);
	mover->block[1] = mf_movable_block(1);
	if (!mover->block[0].nr || !mover->block[1].nr)
		return "no block of nodes 0 and 1 can be in ZONE_MOVABLE";
	mf_bind_to_node(0);
	return NULL;
}

static void interrupt(int sig)
{
}

static void mover_start(struct __test_metadata *_metadata, struct mover *mover)
{
	struct sigaction sa = { .sa_handler = interrupt };

	sigaction(SIGUSR1, &sa, NULL);
	mover->moved = pages_moved(mover->vm);
	ASSERT_EQ(0, pthread_create(&mover->thread, NULL, mover_run, mover));
	if (!mover->swap.on)
		return;
	mover->swapped = pages_swapped(mover->vm);
	ASSERT_EQ(0, pthread_create(&mover->swapper, NULL, swapper_run, mover));
}

/* The race was one only if pages moved. */
static void mover_stop(struct __test_metadata *_metadata, struct mover *mover)
{
	mover->stop = true;
	/* Offlining goes on trying until a signal ends it. */
	while (pthread_tryjoin_np(mover->thread, NULL)) {
		usleep(100000);
		pthread_kill(mover->thread, SIGUSR1);
	}
	TH_LOG("%ld pages moved", pages_moved(mover->vm) - mover->moved);
	EXPECT_LT(mover->moved, pages_moved(mover->vm));
	if (!mover->swapper)
		return;
	pthread_join(mover->swapper, NULL);
	TH_LOG("%ld pages came back from swap",
	       pages_swapped(mover->vm) - mover->swapped);
	EXPECT_LT(mover->swapped, pages_swapped(mover->vm));
}

static void mover_undo(struct __test_metadata *_metadata, struct mover *mover)
{
	EXPECT_EQ(0, mf_swap_off(&mover->swap));
	mf_restore_block(mover->block[0]);
	mf_restore_block(mover->block[1]);
}

static time_t deadline(void)
{
	const char *seconds = getenv("MEMFILE_SECONDS");

	return time(NULL) + (seconds ? atoi(seconds) : 5);
}

/* Until @end, and as long as it takes on a busy machine for a page to move. */
static bool racing(struct mover *mover, time_t end)
{
	time_t now = time(NULL);

	return now < end ||
	       (now < end + MF_PATIENCE &&
		(pages_moved(mover->vm) == mover->moved ||
		 (mover->swapper &&
		  pages_swapped(mover->vm) == mover->swapped)));
}

/* Up to CHUNK_PAGES somewhere in [start, end). */
static void choose(size_t start, size_t end, size_t *offset, size_t *len)
{
	*len = (1 + random() % CHUNK_PAGES) * MF_PAGE;
	*offset = start + random() % ((end - start - *len) / MF_PAGE) * MF_PAGE;
}

static void set_range(struct mf_vcpu *vcpu, size_t start, size_t end,
		      bool zero_ok)
{
	vcpu->ctl->start = MF_GPA + start;
	vcpu->ctl->end = MF_GPA + end;
	vcpu->ctl->zero_ok = zero_ok;
}

static void setup(struct __test_metadata *_metadata, struct mf_vm *vm,
		  struct mover *mover, enum mf_client client, bool swap)
{
	__u64 flags = GUEST_MEMFD_FLAG_MOVABLE |
		      (swap ? GUEST_MEMFD_FLAG_SWAPPABLE : 0);
	const char *lacks = mf_lacks(client, flags);

	if (lacks)
		SKIP(return, "%s", lacks);
	if (swap) {
		if (!mf_enter_cgroup())
			SKIP(return, "no memory cgroup v2");
		lacks = mf_swap_on(&mover->swap, MF_ZRAM, SWAP_SIZE);
		if (lacks)
			SKIP(return, "%s", lacks);
	}
	mf_create(_metadata, vm, client, SIZE, flags, 2);
	lacks = mover_prepare(mover, vm);
	if (lacks)
		SKIP(return, "%s", lacks);
}

/* All vCPUs have written their part, and memory moves from now on. */
static void start(struct __test_metadata *_metadata, struct mf_vm *vm,
		  struct mover *mover, int nr_vcpus)
{
	int i;

	for (i = 0; i < nr_vcpus; i++)
		mf_start(_metadata, &vm->vcpu[i]);
	for (i = 0; i < nr_vcpus; i++)
		mf_verify(_metadata, &vm->vcpu[i]);
	mf_map(vm);
	mover_start(_metadata, mover);
}

static void finish(struct __test_metadata *_metadata, struct mf_vm *vm,
		   struct mover *mover, int nr_vcpus)
{
	int i;

	mover_stop(_metadata, mover);
	for (i = 0; i < nr_vcpus; i++)
		mf_verify(_metadata, &vm->vcpu[i]);
	for (i = 0; i < nr_vcpus; i++)
		mf_stop(_metadata, &vm->vcpu[i]);
}

FIXTURE(race)
{
	struct mf_vm vm;
	struct mover mover;
};

FIXTURE_VARIANT(race)
{
	enum mf_client client;
	bool swap;
};

FIXTURE_VARIANT_ADD(race, bound)
{
	.client = MF_BOUND,
};

FIXTURE_VARIANT_ADD(race, hva)
{
	.client = MF_HVA,
};

FIXTURE_VARIANT_ADD(race, private)
{
	.client = MF_PRIVATE,
};

FIXTURE_VARIANT_ADD(race, bound_swap)
{
	.client = MF_BOUND,
	.swap = true,
};

FIXTURE_VARIANT_ADD(race, private_swap)
{
	.client = MF_PRIVATE,
	.swap = true,
};

FIXTURE_VARIANT_ADD(race, memfd)
{
	.client = MF_MEMFD,
};

FIXTURE_SETUP(race)
{
	setup(_metadata, &self->vm, &self->mover, variant->client,
	      variant->swap);
}

FIXTURE_TEARDOWN(race)
{
	mover_undo(_metadata, &self->mover);
}

/* Fill a chunk from here, punch it, and find zeroes. */
static void punch_own(struct __test_metadata *_metadata, struct mf_vm *vm,
		      size_t offset, size_t len)
{
	__u64 *word = (__u64 *)(vm->mem + offset);
	size_t i;

	memset(word, 0xa5, len);
	ASSERT_EQ(0, fallocate(vm->mem_fd, PUNCH, offset, len));
	for (i = 0; i < len / sizeof(*word); i++) {
		ASSERT_EQ(0, word[i]) {
			TH_LOG("stale word after a punch, at %#lx",
			       offset + i * sizeof(*word));
		}
	}
}

static void punch_some(struct __test_metadata *_metadata, struct mf_vm *vm,
		       size_t start, size_t end)
{
	size_t offset, len;

	choose(start, end, &offset, &len);
	ASSERT_EQ(0, fallocate(vm->mem_fd, PUNCH, offset, len));
	if (random() % 2)
		ASSERT_EQ(0, fallocate(vm->mem_fd, FALLOC_FL_KEEP_SIZE, offset,
				       len));
}

static void rebind(struct __test_metadata *_metadata, struct mf_vm *vm)
{
	ASSERT_EQ(0, mf_set_slot(vm, 0));
	usleep(random() % 2000);
	ASSERT_EQ(0, mf_set_slot(vm, SIZE));
}

/*
 * Of a chunk's two memories the one that is about to be shown is always
 * zeroed first, so that the guest sees its last pass, or zeroes.
 */
static void convert_some(struct __test_metadata *_metadata, struct mf_vm *vm,
			 size_t start, size_t end)
{
	size_t offset, len;

	choose(start, end, &offset, &len);
	ASSERT_EQ(0, madvise(vm->shared + offset, len, MADV_DONTNEED));
	ASSERT_EQ(0, mf_set_private(vm, offset, len, false));
	ASSERT_EQ(0, fallocate(vm->mem_fd, PUNCH, offset, len));
	usleep(random() % 2000);
	ASSERT_EQ(0, mf_set_private(vm, offset, len, true));
}

/* One vCPU's part is let alone, one's is punched, the rest is the host's. */
TEST_F_TIMEOUT(race, punch, TIMEOUT)
{
	size_t third = SIZE / 4, offset, len;
	struct mf_vm *vm = &self->vm;
	time_t end = deadline();

	set_range(&vm->vcpu[0], 0, third, false);
	set_range(&vm->vcpu[1], third, 2 * third, true);
	start(_metadata, vm, &self->mover, 2);
	while (racing(&self->mover, end)) {
		punch_some(_metadata, vm, third, 2 * third);
		choose(2 * third, SIZE, &offset, &len);
		if (vm->mem)
			punch_own(_metadata, vm, offset, len);
	}
	finish(_metadata, vm, &self->mover, 2);
}

/* The slot is deleted and made again under the running guest. */
TEST_F_TIMEOUT(race, rebind, TIMEOUT)
{
	struct mf_vm *vm = &self->vm;
	time_t end = deadline();

	vm->retry_faults = true;
	start(_metadata, vm, &self->mover, 2);
	while (racing(&self->mover, end)) {
		rebind(_metadata, vm);
		usleep(random() % 20000);
	}
	finish(_metadata, vm, &self->mover, 2);
}

/* All of it at once, and conversions where there is something to convert. */
TEST_F_TIMEOUT(race, everything, LONG_TIMEOUT)
{
	struct mf_vm *vm = &self->vm;
	time_t end = deadline();

	vm->retry_faults = true;
	set_range(&vm->vcpu[0], 0, HALF, false);
	set_range(&vm->vcpu[1], HALF, SIZE, true);
	start(_metadata, vm, &self->mover, 2);
	while (racing(&self->mover, end)) {
		punch_some(_metadata, vm, HALF, SIZE);
		if (vm->shared)
			convert_some(_metadata, vm, HALF, SIZE);
		if (random() % 8 == 0)
			rebind(_metadata, vm);
		usleep(random() % 2000);
	}
	finish(_metadata, vm, &self->mover, 2);
}

/* The second vCPU never runs: pages are faulted in on its behalf. */
TEST_F_TIMEOUT(race, pre_fault, TIMEOUT)
{
	struct mf_vm *vm = &self->vm;
	time_t end = deadline();
	size_t offset, len;
	int ret;

	if (ioctl(vm->fd, KVM_CHECK_EXTENSION, KVM_CAP_PRE_FAULT_MEMORY) <= 0)
		SKIP(return, "no KVM_PRE_FAULT_MEMORY");
	set_range(&vm->vcpu[0], 0, SIZE, true);
	start(_metadata, vm, &self->mover, 1);
	while (racing(&self->mover, end)) {
		struct kvm_pre_fault_memory range;

		choose(0, SIZE, &offset, &len);
		ASSERT_EQ(0, fallocate(vm->mem_fd, PUNCH, offset, len));
		range = (struct kvm_pre_fault_memory){
			.gpa = MF_GPA + offset, .size = len,
		};
		while (range.size) {
			ret = ioctl(vm->vcpu[1].fd, KVM_PRE_FAULT_MEMORY,
				    &range);
			if (ret && (errno == EINTR || errno == EAGAIN))
				continue;
			ASSERT_EQ(0, ret) {
				TH_LOG("errno %d at %#llx", errno, range.gpa);
			}
		}
	}
	finish(_metadata, vm, &self->mover, 1);
}

/* In a process of its own: a VM that dies in one of three ways on the move. */
static void live_and_die(struct __test_metadata *_metadata,
			 enum mf_client client, struct mover *parent, int way)
{
	struct mover mover = {};
	struct mf_vm vm;

	mf_create(_metadata, &vm, client, SIZE / 4, GUEST_MEMFD_FLAG_MOVABLE |
		  (parent->swap.on ? GUEST_MEMFD_FLAG_SWAPPABLE : 0), 1);
	mf_start(_metadata, &vm.vcpu[0]);
	mf_verify(_metadata, &vm.vcpu[0]);
	mf_map(&vm);
	if (!parent->block[0].nr) {
		mover.vm = &vm;
		mover_start(_metadata, &mover);
	}
	mf_verify(_metadata, &vm.vcpu[0]);
	posix_fadvise(vm.mem_fd, 0, 0, POSIX_FADV_DONTNEED);
	if (way == 1) {
		close(vm.mem_fd);
	} else if (way == 2) {
		mf_stop(_metadata, &vm.vcpu[0]);
		mf_set_slot(&vm, 0);
		close(vm.mem_fd);
		close(vm.vcpu[0].fd);
		close(vm.fd);
	}
	usleep(random() % 20000);
	_exit(0);
}

TEST_F_TIMEOUT(race, destroy, TIMEOUT)
{
	struct mf_vm *vm = &self->vm;
	time_t end = deadline();
	int status, i;
	pid_t child;

	start(_metadata, vm, &self->mover, 1);
	for (i = 0; i < 6 || racing(&self->mover, end); i++) {
		child = fork();
		if (!child)
			live_and_die(_metadata, variant->client, &self->mover,
				     i % 3);
		ASSERT_EQ(child, waitpid(child, &status, 0));
		ASSERT_EQ(0, status);
	}
	TH_LOG("%d VMs", i);
	finish(_metadata, vm, &self->mover, 1);
}

FIXTURE(convert)
{
	struct mf_vm vm;
	struct mover mover;
};

FIXTURE_VARIANT(convert)
{
	bool swap;
};

FIXTURE_VARIANT_ADD(convert, resident)
{
	.swap = false,
};

FIXTURE_VARIANT_ADD(convert, swap)
{
	.swap = true,
};

FIXTURE_SETUP(convert)
{
	setup(_metadata, &self->vm, &self->mover, MF_PRIVATE, variant->swap);
}

FIXTURE_TEARDOWN(convert)
{
	mover_undo(_metadata, &self->mover);
}

TEST_F_TIMEOUT(convert, private_and_shared, TIMEOUT)
{
	struct mf_vm *vm = &self->vm;
	time_t end = deadline();

	vm->retry_faults = true;
	set_range(&vm->vcpu[0], 0, HALF, false);
	set_range(&vm->vcpu[1], HALF, SIZE, true);
	start(_metadata, vm, &self->mover, 2);
	while (racing(&self->mover, end))
		convert_some(_metadata, vm, HALF, SIZE);
	finish(_metadata, vm, &self->mover, 2);
}

FIXTURE(poison)
{
	struct mf_vm vm;
	struct mover mover;
};

FIXTURE_VARIANT(poison)
{
	enum mf_client client;
};

FIXTURE_VARIANT_ADD(poison, bound)
{
	.client = MF_BOUND,
};

FIXTURE_VARIANT_ADD(poison, hva)
{
	.client = MF_HVA,
};

FIXTURE_VARIANT_ADD(poison, memfd)
{
	.client = MF_MEMFD,
};

FIXTURE_SETUP(poison)
{
	const char *lacks = mf_lacks(variant->client, GUEST_MEMFD_FLAG_MOVABLE);

	if (lacks)
		SKIP(return, "%s", lacks);
	mf_create(_metadata, &self->vm, variant->client, SIZE,
		  GUEST_MEMFD_FLAG_MOVABLE, 2);
	/* Not by offlining: of a block with poison that may take for ever. */
	self->mover.vm = &self->vm;
	mf_allocate_scattered(_metadata, &self->vm);
}

FIXTURE_TEARDOWN(poison)
{
}

static __thread struct __jmp_buf_tag *escape;

static void on_sigbus(int sig)
{
	if (escape)
		siglongjmp(escape, 1);
	mf_sigbus = 1;
}

/* False if it is poisoned: an error is not zero, and not stale. */
static bool read_word(const char *addr, __u64 *word)
{
	sigjmp_buf here;
	bool done = false;

	escape = here;
	if (!sigsetjmp(here, 1)) {
		memcpy(word, addr, sizeof(*word));
		done = true;
	}
	escape = NULL;
	return done;
}

/* The guest that touches it is told, in the way of its kind of memory. */
static void expect_guest_told(struct __test_metadata *_metadata,
			      struct mf_vcpu *vcpu)
{
	bool bound = vcpu->vm->client == MF_BOUND;

	mf_sigbus = 0;
	vcpu->error[0] = 0;
	mf_start(_metadata, vcpu);
	pthread_join(vcpu->thread, NULL);
	EXPECT_STRNE("", vcpu->error);
	EXPECT_EQ(bound ? EHWPOISON : EINTR, vcpu->exit_errno) {
		TH_LOG("%s", vcpu->error);
	}
	EXPECT_EQ(!bound, mf_sigbus);
	if (bound)
		EXPECT_EQ(KVM_EXIT_MEMORY_FAULT, vcpu->run->exit_reason);
	mf_sigbus = 0;
	vcpu->error[0] = 0;
}

/* The first poisoned page of this machine from @pfn on; 0 if none is. */
static __u64 poisoned_pfn(__u64 pfn)
{
	int fd = open("/proc/kpageflags", O_RDONLY);
	__u64 flags[512], found = 0;
	ssize_t i, len = 1;

	while (!found && len > 0) {
		len = pread(fd, flags, sizeof(flags), pfn * 8) / 8;
		for (i = 0; i < len && !found; i++)
			if (flags[i] & KPF_HWPOISON)
				found = pfn + i;
		pfn += len;
	}
	close(fd);
	return found;
}

TEST_F_TIMEOUT(poison, stays_poisoned, TIMEOUT)
{
	struct sigaction sa = { .sa_handler = on_sigbus };
	struct mf_vm *vm = &self->vm;
	char *victim = vm->mem + HALF + HALF / 2;
	struct mf_vcpu *vcpu = &vm->vcpu[1];
	time_t end = deadline();
	__u64 pfn, word;
	char *other;

	sigaction(SIGBUS, &sa, NULL);
	mf_start(_metadata, &vm->vcpu[0]);
	mf_start(_metadata, vcpu);
	mf_verify(_metadata, &vm->vcpu[0]);
	mf_verify(_metadata, vcpu);
	mf_stop(_metadata, vcpu);
	mf_map(vm);

	/* The first is at rest; memory-failure may want more than one try. */
	while (madvise(victim, MF_PAGE, MADV_HWPOISON) && errno == EBUSY)
		ASSERT_GT(end + MF_PATIENCE, time(NULL));
	ASSERT_FALSE(read_word(victim, &word));
	pfn = poisoned_pfn(0);
	ASSERT_NE(0, pfn);
	expect_guest_told(_metadata, vcpu);

	/* Others are hit on their way.  Core mm may let them be, but whole. */
	mover_start(_metadata, &self->mover);
	for (other = victim + MF_PAGE; racing(&self->mover, end);
	     other += MF_PAGE) {
		madvise(other, MF_PAGE, MADV_HWPOISON);
		if (read_word(other, &word))
			ASSERT_EQ((MF_GPA + other - vm->mem) ^ vcpu->ctl->key,
				  word);
		ASSERT_FALSE(read_word(victim, &word));
		sleep(1);
	}
	expect_guest_told(_metadata, vcpu);
	if (!mf_lacks_nodes()) {
		EXPECT_EQ(1, mf_move_pages(vm, victim - vm->mem, MF_PAGE, 0));
		EXPECT_EQ(1, mf_move_pages(vm, victim - vm->mem, MF_PAGE, 1));
	}
	EXPECT_TRUE(mf_kpageflags(pfn) & KPF_HWPOISON);
	finish(_metadata, vm, &self->mover, 1);

	fallocate(vm->mem_fd, PUNCH, HALF, HALF);
	for (pfn = 0; (pfn = poisoned_pfn(pfn)); pfn++)
		mf_unpoison(pfn);
}

TEST_HARNESS_MAIN
