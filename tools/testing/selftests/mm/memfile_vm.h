/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A guest that verifies and rewrites its own memory, on raw KVM ioctls.
 *
 * Each vCPU runs in a thread of its own, in 64-bit mode.  Page tables, code
 * and control pages live in a small ordinary memslot at 0; the memory under
 * test starts at MF_GPA and is divided among the vCPUs.  A word at address A
 * holds A ^ key in each generation; the guest checks it against the present
 * key, writes it with the next, and counts the pass.  A lost, stale, torn or
 * misplaced page is a mismatch in the next pass, which ends the thread.
 */
#ifndef MEMFILE_VM_H
#define MEMFILE_VM_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/falloc.h>
#include <linux/kvm.h>
#include <linux/mempolicy.h>
#include <linux/mman.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#ifndef GUEST_MEMFD_FLAG_MOVABLE
#define GUEST_MEMFD_FLAG_MOVABLE	0x10ULL
#endif
#ifndef GUEST_MEMFD_FLAG_SWAPPABLE
#define GUEST_MEMFD_FLAG_SWAPPABLE	0x20ULL
#endif

#define MF_PAGE		4096UL
#define MF_GPA		0x40000000UL
#define MF_CODE		0x5000UL
#define MF_CTL(i)	(0x6000UL + 0x2000UL * (i))
#define MF_SYS_SIZE	0x10000UL
#define MF_MAX_VCPUS	2
#define MF_PORT_STOP	0x10
#define MF_PORT_BAD	0x11
#define MF_GOLDEN	0x9e3779b97f4a7c15UL
#define MF_PATIENCE	120	/* seconds for two passes, with KASAN, on TCG */

/* How the memory under test reaches the guest. */
enum mf_client {
	MF_BOUND,	/* guest_memfd bound to the slot, and mapped here */
	MF_HVA,		/* ordinary slot on a mapping of guest_memfd */
	MF_PRIVATE,	/* guest_memfd of a protected VM: mapped nowhere */
	MF_MEMFD,	/* ordinary slot on memfd: the control group */
};

/* Shared by the host and one vCPU. */
struct mf_ctl {
	__u64 start, end;	/* this vCPU's part of the memory */
	__u64 step;		/* bytes from word to word */
	__u64 key;		/* of the generation now in memory */
	__u64 check;		/* 0 in the first pass, which only writes */
	__u64 zero_ok;	/* the host may have punched holes */
	__u64 stop;		/* exit at the end of this pass */
	__u64 passes;
	__u64 bad_gpa, want, got;
};

struct mf_vm;

struct mf_vcpu {
	struct mf_vm *vm;
	int fd;
	struct kvm_run *run;
	int run_size;
	struct mf_ctl *ctl;
	pthread_t thread;
	bool ended;		/* the thread has returned */
	int exit_errno;		/* of the last KVM_RUN */
	char error[128];	/* empty unless the guest failed */
};

struct mf_vm {
	enum mf_client client;
	int fd, mem_fd;
	size_t size;
	char *mem;		/* host mapping of mem_fd, unless private */
	char *shared;		/* what a private slot shows when shared */
	char *sys;
	__u64 hva;		/* of the slot */
	bool retry_faults;	/* slot or attributes come and go */
	struct mf_vcpu vcpu[MF_MAX_VCPUS];
	int nr_vcpus;
};

extern const char __start_mf_guest[], __stop_mf_guest[];

static __attribute__((section("mf_guest"), __noinline__, __used__, no_stack_protector))
void mf_guest_main(struct mf_ctl *c)
{
	for (;;) {
		__u64 key = c->key, next = key + MF_GOLDEN;
		__u64 gpa, step = c->step, end = c->end;

		for (gpa = c->start; gpa < end; gpa += step) {
			__u64 got = *(__u64 *)gpa;

			if (got != (gpa ^ key) && c->check &&
			    (got || !c->zero_ok)) {
				c->bad_gpa = gpa;
				c->want = gpa ^ key;
				c->got = got;
				asm volatile("outb %%al, %0" : :
					     "i"(MF_PORT_BAD) : "memory");
			}
			*(__u64 *)gpa = gpa ^ next;
			asm volatile("" : : : "memory");
		}
		c->key = next;
		c->check = 1;
		c->passes++;
		asm volatile("" : : : "memory");
		if (c->stop)
			asm volatile("outb %%al, %0" : :
				     "i"(MF_PORT_STOP) : "memory");
	}
}

/* Read a byte, so that the page is mapped here. */
static inline void mf_touch(const char *addr)
{
	asm volatile("" : : "r"(*addr) : "memory");
}

static inline int mf_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

/* The first line of a file without its newline; false if unreadable. */
static inline bool mf_read(const char *path, char *line, int len)
{
	FILE *f = fopen(path, "r");
	bool ok = f && fgets(line, len, f);

	if (f)
		fclose(f);
	if (ok)
		line[strcspn(line, "\n")] = 0;
	return ok;
}

/* The text after "key" and white space in a file; false if there is none. */
static inline bool mf_lookup(const char *path, const char *key, char *value,
			     int len)
{
	FILE *f = fopen(path, "r");
	size_t n = strlen(key);
	bool found = false;
	char line[256];

	while (f && !found && fgets(line, sizeof(line), f)) {
		if (strncmp(line, key, n) || !strchr(" \t", line[n]))
			continue;
		line[strcspn(line, "\n")] = 0;
		snprintf(value, len, "%s", line + n + strspn(line + n, " \t"));
		found = true;
	}
	if (f)
		fclose(f);
	return found;
}

static inline bool mf_fdinfo(int fd, const char *key, char *value, int len)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	return mf_lookup(path, key, value, len);
}

/* A number of fdinfo, in what unit it has there; -1 if it is missing. */
static inline long mf_fdinfo_long(int fd, const char *key)
{
	char value[32];

	if (!mf_fdinfo(fd, key, value, sizeof(value)))
		return -1;
	return strtol(value, NULL, 10);
}

static inline long mf_migrated(int fd)
{
	return mf_fdinfo_long(fd, "memfile-migrated:");
}

static inline int mf_vm_type(enum mf_client client)
{
	return client == MF_PRIVATE ? KVM_X86_SW_PROTECTED_VM :
				      KVM_X86_DEFAULT_VM;
}

/* What a VM of @type may ask for: flags of KVM_CREATE_GUEST_MEMFD, or < 0. */
static inline int mf_gmem_flags(int type)
{
	int kvm = open("/dev/kvm", O_RDWR);
	int vm = kvm < 0 ? -1 : ioctl(kvm, KVM_CREATE_VM, type);
	int flags = -1;

	if (vm >= 0 && ioctl(vm, KVM_CHECK_EXTENSION, KVM_CAP_GUEST_MEMFD) > 0)
		flags = ioctl(vm, KVM_CHECK_EXTENSION,
			      KVM_CAP_GUEST_MEMFD_FLAGS);
	close(vm);
	close(kvm);
	return flags;
}

/* Why @client cannot be used with @flags here; NULL if it can. */
static inline const char *mf_lacks(enum mf_client client, __u64 flags)
{
	int has;

	if (client == MF_MEMFD)
		return access("/dev/kvm", R_OK | W_OK) ? "no /dev/kvm" : NULL;
	has = mf_gmem_flags(mf_vm_type(client));
	if (has < 0)
		return "no /dev/kvm, or no guest_memfd for this VM type";
	if (flags & GUEST_MEMFD_FLAG_MOVABLE & ~has)
		return "this kernel has no GUEST_MEMFD_FLAG_MOVABLE";
	if (flags & ~has)
		return "this kernel has no GUEST_MEMFD_FLAG_SWAPPABLE";
	return NULL;
}

static inline int mf_gmem_create(int vm, __u64 size, __u64 flags)
{
	struct kvm_create_guest_memfd args = { .size = size, .flags = flags };
	int fd = ioctl(vm, KVM_CREATE_GUEST_MEMFD, &args);

	return fd < 0 ? -errno : fd;
}

/* Set, or with size 0 delete, the slot of the memory under test. */
static inline int mf_set_slot(struct mf_vm *vm, size_t size)
{
	struct kvm_userspace_memory_region2 slot = {
		.slot = 1,
		.guest_phys_addr = MF_GPA,
		.memory_size = size,
		.userspace_addr = vm->hva,
	};

	if (vm->client == MF_BOUND || vm->client == MF_PRIVATE) {
		slot.flags = KVM_MEM_GUEST_MEMFD;
		slot.guest_memfd = vm->mem_fd;
	}
	return ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION2, &slot);
}

static inline int mf_set_private(struct mf_vm *vm, size_t offset, size_t size,
				 bool private)
{
	struct kvm_memory_attributes attrs = {
		.address = MF_GPA + offset,
		.size = size,
		.attributes = private ? KVM_MEMORY_ATTRIBUTE_PRIVATE : 0,
	};

	return ioctl(vm->fd, KVM_SET_MEMORY_ATTRIBUTES, &attrs);
}

static inline void mf_create_vcpu(struct __test_metadata *_metadata, int kvm,
				  struct mf_vm *vm, int i)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[256];
	} cpuid = { .head.nent = 256 };
	struct kvm_segment data = {
		.limit = 0xffffffff, .selector = 16, .type = 3, .present = 1,
		.db = 1, .s = 1, .g = 1,
	};
	struct kvm_segment code = {
		.limit = 0xffffffff, .selector = 8, .type = 11, .present = 1,
		.l = 1, .s = 1, .g = 1,
	};
	struct mf_vcpu *vcpu = &vm->vcpu[i];
	size_t part = vm->size / vm->nr_vcpus;
	struct kvm_sregs sregs;
	struct kvm_regs regs = {
		.rip = MF_CODE + (__u64)mf_guest_main -
		       (__u64)__start_mf_guest,
		.rsp = MF_CTL(i) + 2 * MF_PAGE - 8,
		.rdi = MF_CTL(i),
		.rflags = 2,
	};
	int len = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);

	vcpu->vm = vm;
	vcpu->fd = ioctl(vm->fd, KVM_CREATE_VCPU, i);
	ASSERT_LE(0, vcpu->fd);
	vcpu->run_size = len;
	vcpu->run = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED,
			 vcpu->fd, 0);
	ASSERT_NE(MAP_FAILED, vcpu->run);
	ASSERT_EQ(0, ioctl(kvm, KVM_GET_SUPPORTED_CPUID, &cpuid));
	ASSERT_EQ(0, ioctl(vcpu->fd, KVM_SET_CPUID2, &cpuid));

	ASSERT_EQ(0, ioctl(vcpu->fd, KVM_GET_SREGS, &sregs));
	sregs.cr0 = 0x80000033;		/* PG NE ET MP PE */
	sregs.cr3 = 0x1000;
	sregs.cr4 = 0x220;		/* OSFXSR PAE */
	sregs.efer = 0x500;		/* LMA LME */
	sregs.cs = code;
	sregs.ds = data;
	sregs.es = data;
	sregs.ss = data;
	sregs.tr.type = 11;
	sregs.tr.present = 1;
	ASSERT_EQ(0, ioctl(vcpu->fd, KVM_SET_SREGS, &sregs));
	ASSERT_EQ(0, ioctl(vcpu->fd, KVM_SET_REGS, &regs));

	vcpu->ctl = (void *)(vm->sys + MF_CTL(i));
	vcpu->ctl->start = MF_GPA + i * part;
	vcpu->ctl->end = vcpu->ctl->start + part;
	vcpu->ctl->step = sizeof(__u64);
	vcpu->ctl->key = MF_GOLDEN;
	vcpu->ended = true;
}

/* Memory is created but not allocated; vCPUs are created but not started. */
static inline void mf_create(struct __test_metadata *_metadata,
			     struct mf_vm *vm, enum mf_client client,
			     size_t size, __u64 flags, int nr_vcpus)
{
	struct kvm_userspace_memory_region sys = { .memory_size = MF_SYS_SIZE };
	int i, kvm = open("/dev/kvm", O_RDWR);
	__u64 *table;

	*vm = (struct mf_vm){
		.client = client, .size = size, .nr_vcpus = nr_vcpus,
	};
	vm->fd = ioctl(kvm, KVM_CREATE_VM, mf_vm_type(client));
	ASSERT_LE(0, vm->fd);

	vm->sys = mmap(NULL, MF_SYS_SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, vm->sys);
	memset(vm->sys, 0, MF_SYS_SIZE);
	table = (__u64 *)vm->sys;
	table[0x1000 / 8] = 0x2003;
	for (i = 0; i < 2; i++)
		table[0x2000 / 8 + i] = 0x3003 + i * 0x1000;
	for (i = 0; i < 1024; i++)
		table[0x3000 / 8 + i] = (__u64)i << 21 | 0x83;
	memcpy(vm->sys + MF_CODE, __start_mf_guest,
	       __stop_mf_guest - __start_mf_guest);
	/* As vm->mem below. */
	ASSERT_EQ(0, madvise(vm->sys, MF_SYS_SIZE, MADV_DONTFORK));
	sys.userspace_addr = (__u64)vm->sys;
	ASSERT_EQ(0, ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &sys));

	if (client == MF_MEMFD) {
		vm->mem_fd = memfd_create("memfile", MFD_CLOEXEC);
		ASSERT_EQ(0, ftruncate(vm->mem_fd, size));
	} else {
		if (client != MF_PRIVATE)
			flags |= GUEST_MEMFD_FLAG_MMAP |
				 GUEST_MEMFD_FLAG_INIT_SHARED;
		vm->mem_fd = mf_gmem_create(vm->fd, size, flags);
	}
	ASSERT_LE(0, vm->mem_fd);

	if (client == MF_PRIVATE) {
		vm->shared = mmap(NULL, size, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		ASSERT_NE(MAP_FAILED, vm->shared);
		ASSERT_EQ(0, mf_set_private(vm, 0, size, true));
		vm->hva = (__u64)vm->shared;
	} else {
		vm->mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
			       vm->mem_fd, 0);
		ASSERT_NE(MAP_FAILED, vm->mem);
		/* A page that is mapped twice does not move by node. */
		ASSERT_EQ(0, madvise(vm->mem, size, MADV_DONTFORK));
		vm->hva = (__u64)vm->mem;
	}
	ASSERT_EQ(0, mf_set_slot(vm, size));

	for (i = 0; i < nr_vcpus; i++)
		mf_create_vcpu(_metadata, kvm, vm, i);
	close(kvm);
}

/* An access that found no slot: do what KVM would have done with one. */
static inline void mf_emulate(struct mf_vm *vm, struct kvm_run *run)
{
	char *p = vm->mem + run->mmio.phys_addr - MF_GPA;

	if (run->mmio.is_write)
		memcpy(p, run->mmio.data, run->mmio.len);
	else
		memcpy(run->mmio.data, p, run->mmio.len);
}

/* Set by a handler of SIGBUS: KVM_RUN is not to be entered again. */
static sig_atomic_t mf_sigbus;

static inline void *mf_run(void *arg)
{
	struct mf_vcpu *vcpu = arg;
	struct mf_ctl *ctl = vcpu->ctl;
	struct kvm_run *run = vcpu->run;
	struct mf_vm *vm = vcpu->vm;

	for (;;) {
		int ret = ioctl(vcpu->fd, KVM_RUN, 0);

		vcpu->exit_errno = ret ? errno : 0;
		if (ret && (errno == EINTR || errno == EAGAIN) && !mf_sigbus)
			continue;
		if (run->exit_reason == KVM_EXIT_IO &&
		    run->io.port == MF_PORT_STOP)
			break;
		if (vm->retry_faults && vm->mem && !ret &&
		    run->exit_reason == KVM_EXIT_MMIO) {
			mf_emulate(vm, run);
			continue;
		}
		if (vm->retry_faults && ret && errno == EFAULT &&
		    run->exit_reason == KVM_EXIT_MEMORY_FAULT)
			continue;
		if (run->exit_reason == KVM_EXIT_IO)
			snprintf(vcpu->error, sizeof(vcpu->error),
				 "gpa %#llx: want %#llx, got %#llx, pass %llu",
				 ctl->bad_gpa, ctl->want, ctl->got,
				 ctl->passes);
		else
			snprintf(vcpu->error, sizeof(vcpu->error),
				 "KVM_RUN: exit %d, errno %d, pass %llu",
				 run->exit_reason, vcpu->exit_errno,
				 ctl->passes);
		break;
	}
	vcpu->ended = true;
	return NULL;
}

static inline void mf_start(struct __test_metadata *_metadata,
			    struct mf_vcpu *vcpu)
{
	vcpu->ctl->stop = 0;
	vcpu->ended = false;
	ASSERT_EQ(0, pthread_create(&vcpu->thread, NULL, mf_run, vcpu));
}

/* Returns when all that is in memory now has been verified. */
static inline void mf_verify(struct __test_metadata *_metadata,
			     struct mf_vcpu *vcpu)
{
	__u64 passes = vcpu->ctl->passes;
	int i;

	for (i = 0; i < MF_PATIENCE * 1000; i++) {
		if (vcpu->ended || vcpu->ctl->passes >= passes + 2)
			break;
		usleep(1000);
	}
	ASSERT_FALSE(vcpu->ended) {
		TH_LOG("guest: %s", vcpu->error);
	}
	ASSERT_LE(passes + 2, vcpu->ctl->passes);
}

/* Park the vCPU at the end of a pass, and look at its memory from here. */
static inline void mf_stop(struct __test_metadata *_metadata,
			   struct mf_vcpu *vcpu)
{
	struct mf_vm *vm = vcpu->vm;
	__u64 gpa;

	vcpu->ctl->stop = 1;
	pthread_join(vcpu->thread, NULL);
	ASSERT_STREQ("", vcpu->error);
	for (gpa = vcpu->ctl->start; vm->mem && gpa < vcpu->ctl->end;
	     gpa += vcpu->ctl->step) {
		__u64 got = *(__u64 *)(vm->mem + gpa - MF_GPA);

		if (!got && vcpu->ctl->zero_ok)
			continue;
		ASSERT_EQ(gpa ^ vcpu->ctl->key, got) {
			TH_LOG("host: at gpa %#llx", gpa);
		}
	}
}

/* The page frames behind mapped addresses; 0 where none is to be seen. */
static inline void mf_pagemap(void *addr, __u64 *pfn, size_t nr)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	size_t i;

	memset(pfn, 0, nr * sizeof(*pfn));
	if (pread(fd, pfn, nr * sizeof(*pfn), (__u64)addr / MF_PAGE * 8) < 0)
		perror("/proc/self/pagemap");
	close(fd);
	for (i = 0; i < nr; i++)
		pfn[i] = pfn[i] >> 63 ? pfn[i] & ((1UL << 55) - 1) : 0;
}

static inline __u64 mf_pfn(void *addr)
{
	__u64 pfn;

	mf_pagemap(addr, &pfn, 1);
	return pfn;
}

#define KPF_UPTODATE	0x8UL
#define KPF_ANON	0x1000UL
#define KPF_HWPOISON	0x80000UL

static inline __u64 mf_kpageflags(__u64 pfn)
{
	int fd = open("/proc/kpageflags", O_RDONLY);
	__u64 flags = 0;

	if (pread(fd, &flags, 8, pfn * 8) != 8)
		flags = 0;
	close(fd);
	return flags;
}

#define MF_CGROUP "/sys/fs/cgroup"

/*
 * No page table shows where private memory is.  Its pages are charged, so a
 * process that is alone in its cgroup finds them in /proc/kpagecgroup as the
 * page cache of that group.  Enter before anything is allocated.
 */
static inline bool mf_enter_cgroup(void)
{
	char pid[16], dir[64], path[96];

	if (unshare(CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return false;
	if (access(MF_CGROUP "/cgroup.procs", W_OK) &&
	    mount("none", MF_CGROUP, "cgroup2", 0, NULL))
		return false;
	mf_write(MF_CGROUP "/cgroup.subtree_control", "+memory");
	snprintf(pid, sizeof(pid), "%d", getpid());
	snprintf(dir, sizeof(dir), MF_CGROUP "/memfile-%s", pid);
	mkdir(dir, 0755);
	snprintf(path, sizeof(path), "%s/memory.current", dir);
	if (access(path, R_OK))
		return false;
	snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
	return !mf_write(path, pid);
}

/* A file of the cgroup that mf_enter_cgroup() has made. */
static inline const char *mf_cgroup_file(const char *name)
{
	static char path[96];

	snprintf(path, sizeof(path), MF_CGROUP "/memfile-%d/%s", getpid(), name);
	return path;
}

static inline void mf_leave_cgroup(void)
{
	char path[64];

	mf_write(MF_CGROUP "/cgroup.procs", "0");
	snprintf(path, sizeof(path), MF_CGROUP "/memfile-%d", getpid());
	rmdir(path);
}

static inline size_t mf_cgroup_pfns(__u64 *pfn, size_t max)
{
	int cgroup = open("/proc/kpagecgroup", O_RDONLY);
	static __u64 ino[8192];
	__u64 base, flags;
	size_t n = 0;
	ssize_t len;
	struct stat st;
	char path[64];
	int i;

	snprintf(path, sizeof(path), MF_CGROUP "/memfile-%d", getpid());
	if (stat(path, &st))
		return 0;
	for (base = 0; n < max; base += 8192) {
		len = pread(cgroup, ino, sizeof(ino), base * 8);
		if (len <= 0)
			break;
		for (i = 0; i < len / 8 && n < max; i++) {
			if (ino[i] != st.st_ino)
				continue;
			flags = mf_kpageflags(base + i);
			if ((flags & (KPF_UPTODATE | KPF_ANON)) == KPF_UPTODATE)
				pfn[n++] = base + i;
		}
	}
	close(cgroup);
	return n;
}

static inline int mf_compare(const void *a, const void *b)
{
	__u64 x = *(__u64 *)a, y = *(__u64 *)b;

	return x < y ? -1 : x > y;
}

/* A bound page is in no table of this process until it is touched here. */
static inline void mf_map(struct mf_vm *vm)
{
	size_t i;

	for (i = 0; vm->mem && i < vm->size; i += MF_PAGE)
		mf_touch(vm->mem + i);
}

/* The page frames of all the memory under test, sorted; malloc()ed. */
static inline __u64 *mf_pfns(struct __test_metadata *_metadata,
			     struct mf_vm *vm)
{
	size_t i, nr = vm->size / MF_PAGE, n = 0;
	__u64 *pfn = calloc(nr, sizeof(*pfn));
	int tries;

	/* A page on its way is in no table: look again. */
	for (tries = 0; tries < 100 && n < nr; tries++) {
		n = vm->mem ? 0 : mf_cgroup_pfns(pfn, nr);
		mf_map(vm);
		if (vm->mem)
			mf_pagemap(vm->mem, pfn, nr);
		for (i = 0; vm->mem && i < nr; i++)
			n += !!pfn[i];
	}
	ASSERT_EQ(nr, n) {
		TH_LOG("not all page frames are to be seen");
	}
	qsort(pfn, nr, sizeof(*pfn), mf_compare);
	return pfn;
}

/* How many of @before are not in @after: that many pages moved, or more. */
static inline size_t mf_moved(struct mf_vm *vm, __u64 *before,
			      __u64 *after)
{
	size_t i, nr = vm->size / MF_PAGE, moved = 0;

	for (i = 0; i < nr; i++)
		moved += !bsearch(&before[i], after, nr, sizeof(*after),
				  mf_compare);
	return moved;
}

/* Why pages cannot be moved by node here; NULL if they can. */
static inline const char *mf_lacks_nodes(void)
{
	if (access("/sys/devices/system/node/node1/meminfo", R_OK))
		return "one NUMA node";
	if (syscall(__NR_move_pages, 0, 0, NULL, NULL, NULL, 0))
		return "no move_pages(2): CONFIG_NUMA_MIGRATION is off";
	return NULL;
}

/* Move the mapped pages to @node; returns how many are not there now. */
static inline size_t mf_move_pages(struct mf_vm *vm, size_t offset,
				   size_t size, int node)
{
	size_t i, nr = size / MF_PAGE, left = 0;
	void **pages = calloc(nr, sizeof(*pages));
	int *nodes = calloc(nr, sizeof(*nodes));
	int *status = calloc(nr, sizeof(*status));

	for (i = 0; i < nr; i++) {
		pages[i] = vm->mem + offset + i * MF_PAGE;
		nodes[i] = node;
	}
	syscall(__NR_move_pages, 0, nr, pages, nodes, status, MPOL_MF_MOVE);
	syscall(__NR_move_pages, 0, nr, pages, NULL, status, 0);
	for (i = 0; i < nr; i++)
		left += status[i] != node;
	free(pages);
	free(nodes);
	free(status);
	return left;
}

static inline void mf_compact(void)
{
	mf_write("/proc/sys/vm/compact_memory", "1");
}

#define MF_PCP_FRACTION	"/proc/sys/vm/percpu_pagelist_high_fraction"

/* Allocate all the memory, every eighth page of what the allocator gives. */
static inline void mf_allocate_scattered(struct __test_metadata *_metadata,
					 struct mf_vm *vm)
{
	int hog = memfd_create("hog", MFD_CLOEXEC);
	size_t i;

	ASSERT_EQ(0, ftruncate(hog, 8 * vm->size));
	for (i = 0; i < vm->size; i += MF_PAGE) {
		ASSERT_EQ(0, fallocate(vm->mem_fd, FALLOC_FL_KEEP_SIZE, i,
				       MF_PAGE));
		ASSERT_EQ(0, fallocate(hog, 0, 8 * i, 7 * MF_PAGE));
	}
	/* The holes are to be seen by all, not cached for this CPU. */
	mf_write(MF_PCP_FRACTION, "100000");
	close(hog);
	mf_write(MF_PCP_FRACTION, "0");
}

#define MF_BLOCKS "/sys/devices/system/memory"

static inline bool mf_block_is(int block, const char *file, const char *want)
{
	char path[96], text[64];

	snprintf(path, sizeof(path), MF_BLOCKS "/memory%d/%s", block, file);
	return mf_read(path, text, sizeof(text)) && !strcmp(text, want);
}

static inline int mf_set_block(int block, const char *state)
{
	char path[96];

	snprintf(path, sizeof(path), MF_BLOCKS "/memory%d/state", block);
	return mf_write(path, state);
}

static inline void mf_on_alarm(int sig)
{
}

/*
 * Offlining goes on trying until a signal ends it, and may be at it for good if
 * something took a page of the block just when that was isolated.
 */
static inline int mf_offline_block(int block, int seconds)
{
	struct sigaction sa = { .sa_handler = mf_on_alarm };
	int ret;

	sigaction(SIGALRM, &sa, NULL);
	alarm(seconds);
	ret = mf_set_block(block, "offline");
	alarm(0);
	return ret;
}

static inline __u64 mf_block_pages(void)
{
	char text[32];

	if (!mf_read(MF_BLOCKS "/block_size_bytes", text, sizeof(text)))
		return 0;
	return strtoul(text, NULL, 16) / MF_PAGE;
}

struct mf_block {
	int nr;		/* of memory<nr> in sysfs; 0: none */
	bool made;	/* was not in ZONE_MOVABLE before */
};

static inline bool mf_block_on_node(int block, int node)
{
	char path[96];

	snprintf(path, sizeof(path), MF_BLOCKS "/memory%d/node%d", block, node);
	return !access(path, F_OK);
}

/*
 * The highest block of a node that can be taken offline, and that is in
 * ZONE_MOVABLE or, where no such block is, can be put there.
 */
static inline struct mf_block mf_movable_block(int node)
{
	struct mf_block block = {};
	DIR *dir = opendir(MF_BLOCKS);
	int nr, last = 0;
	struct dirent *d;

	while (dir && (d = readdir(dir)))
		if (sscanf(d->d_name, "memory%d", &nr) == 1 && nr > last)
			last = nr;
	if (dir)
		closedir(dir);
	do {
		for (nr = last; nr > 0; nr--) {
			if (!mf_block_on_node(nr, node) ||
			    (!block.made &&
			     !mf_block_is(nr, "valid_zones", "Movable")))
				continue;
			if (mf_offline_block(nr, 30))
				continue;
			block.nr = nr;
			if (!mf_set_block(nr, "online_movable"))
				return block;
			mf_set_block(nr, "online");
		}
		block.made = !block.made;
	} while (block.made);
	block.nr = 0;
	return block;
}

static inline void mf_restore_block(struct mf_block block)
{
	if (block.made)
		mf_offline_block(block.nr, 30);
	if (block.nr && mf_block_is(block.nr, "state", "offline"))
		mf_set_block(block.nr, block.made ? "online" :
						    "online_movable");
}

/* Allocate from one node only: there, from ZONE_MOVABLE first. */
static inline void mf_bind_to_node(int node)
{
	unsigned long mask = 1UL << node;

	syscall(__NR_set_mempolicy, MPOL_BIND, &mask, 64);
}

/* Take a page out of "poisoned", where the kernel can inject and undo it. */
static inline void mf_unpoison(__u64 pfn)
{
	char text[32];

	snprintf(text, sizeof(text), "%#llx", pfn);
	mf_write("/sys/kernel/debug/hwpoison/unpoison-pfn", text);
}

#endif /* MEMFILE_VM_H */
