// SPDX-License-Identifier: GPL-2.0
/* memfile's user interface: creation flags, policy, fdinfo. */
#include "kselftest_harness.h"
#include "memfile_vm.h"

#define POLICY(cap)	"/sys/kernel/mm/memfile/" cap
#define MOVABLE		GUEST_MEMFD_FLAG_MOVABLE
#define SWAPPABLE	GUEST_MEMFD_FLAG_SWAPPABLE
#define BOTH		(MOVABLE | SWAPPABLE)
#define SIZE	(64 * MF_PAGE)

struct vm {
	int fd;
	int has;		/* flags it may ask for */
};

static void create(struct __test_metadata *_metadata, struct vm *vm, int type)
{
	vm->has = mf_gmem_flags(type);
	if (vm->has < 0)
		SKIP(return, "no /dev/kvm, or no guest_memfd for this type");
	vm->fd = ioctl(open("/dev/kvm", O_RDWR), KVM_CREATE_VM, type);
	ASSERT_LE(0, vm->fd);
}

static bool caps_are(int fd, const char *want)
{
	char caps[64] = "";

	return mf_fdinfo(fd, "memfile-caps:", caps, sizeof(caps)) &&
	       !strcmp(caps, want);
}

static long resident_kb(int fd)
{
	char value[32], *end;
	long kb;

	if (!mf_fdinfo(fd, "memfile-resident:", value, sizeof(value)))
		return -1;
	kb = strtol(value, &end, 10);
	return strcmp(end, " kB") ? -1 : kb;
}

FIXTURE(flags)
{
	struct vm vm;
};

FIXTURE_VARIANT(flags)
{
	int type;
};

FIXTURE_VARIANT_ADD(flags, default)
{
	.type = KVM_X86_DEFAULT_VM,
};

FIXTURE_VARIANT_ADD(flags, sw_protected)
{
	.type = KVM_X86_SW_PROTECTED_VM,
};

FIXTURE_SETUP(flags)
{
	create(_metadata, &self->vm, variant->type);
}

FIXTURE_TEARDOWN(flags)
{
}

TEST_F(flags, each_bit_works_or_is_refused)
{
	int bit, fd;

	for (bit = 0; bit < 64; bit++) {
		__u64 flag = 1ULL << bit;

		fd = mf_gmem_create(self->vm.fd, SIZE, flag);
		EXPECT_EQ(flag & self->vm.has ? 0 : -EINVAL, fd < 0 ? fd : 0) {
			TH_LOG("bit %d", bit);
		}
		if (fd >= 0)
			close(fd);
	}
	EXPECT_EQ(-EINVAL, mf_gmem_create(self->vm.fd, SIZE, ~0ULL));
	EXPECT_EQ(-EINVAL, mf_gmem_create(self->vm.fd, SIZE, MOVABLE | 1 << 2));
	EXPECT_EQ(-EINVAL, mf_gmem_create(self->vm.fd, SIZE, MOVABLE | 1 << 3));
	EXPECT_EQ(-EINVAL, mf_gmem_create(self->vm.fd, SIZE, BOTH | 1 << 6));
}

TEST_F(flags, all_reported_flags_together)
{
	int fd = mf_gmem_create(self->vm.fd, SIZE, self->vm.has);

	ASSERT_LE(0, fd);
}

TEST_F(flags, bad_sizes)
{
	__u64 flags = self->vm.has & MOVABLE;

	EXPECT_EQ(-EINVAL, mf_gmem_create(self->vm.fd, 0, flags));
	EXPECT_EQ(-EINVAL, mf_gmem_create(self->vm.fd, 1, flags));
	EXPECT_EQ(-EINVAL, mf_gmem_create(self->vm.fd, MF_PAGE - 1, flags));
	EXPECT_EQ(-EINVAL, mf_gmem_create(self->vm.fd, MF_PAGE + 1, flags));
	EXPECT_EQ(-EINVAL, mf_gmem_create(self->vm.fd, -MF_PAGE, flags));
	EXPECT_EQ(-EINVAL, mf_gmem_create(self->vm.fd, 1ULL << 63, flags));
}

TEST_F(flags, file_operations_as_ever)
{
	int fd = mf_gmem_create(self->vm.fd, SIZE, self->vm.has & MOVABLE);
	char byte = 0;

	ASSERT_LE(0, fd);
	EXPECT_EQ(-1, read(fd, &byte, 1));
	EXPECT_EQ(-1, write(fd, &byte, 1));
	EXPECT_EQ(-1, pread(fd, &byte, 1, 0));
	EXPECT_EQ(-1, pwrite(fd, &byte, 1, 0));
	EXPECT_EQ(-1, ftruncate(fd, 2 * SIZE));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(-1, fallocate(fd, 0, 0, SIZE));
	EXPECT_EQ(EOPNOTSUPP, errno);
	EXPECT_EQ(-1, fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 2 * SIZE));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, fallocate(fd, FALLOC_FL_KEEP_SIZE, 1, MF_PAGE));
	EXPECT_EQ(EINVAL, errno);
}

/* What only a kernel with memfile has, for one capability and one VM type. */
FIXTURE(memfile)
{
	struct vm vm;
	char movable[64], swappable[64];	/* to be restored */
};

FIXTURE_VARIANT(memfile)
{
	int type;
	const char *policy;
	__u64 flag;
	const char *caps;	/* what a file with @flag has */
};

FIXTURE_VARIANT_ADD(memfile, default_movable)
{
	.type = KVM_X86_DEFAULT_VM,
	.policy = POLICY("movable"),
	.flag = MOVABLE,
	.caps = "move",
};

FIXTURE_VARIANT_ADD(memfile, default_swappable)
{
	.type = KVM_X86_DEFAULT_VM,
	.policy = POLICY("swappable"),
	.flag = SWAPPABLE,
	.caps = "move swap",
};

FIXTURE_VARIANT_ADD(memfile, sw_protected_movable)
{
	.type = KVM_X86_SW_PROTECTED_VM,
	.policy = POLICY("movable"),
	.flag = MOVABLE,
	.caps = "move",
};

FIXTURE_VARIANT_ADD(memfile, sw_protected_swappable)
{
	.type = KVM_X86_SW_PROTECTED_VM,
	.policy = POLICY("swappable"),
	.flag = SWAPPABLE,
	.caps = "move swap",
};

FIXTURE_SETUP(memfile)
{
	create(_metadata, &self->vm, variant->type);
	if (!(self->vm.has & BOTH) && access(POLICY("movable"), F_OK))
		SKIP(return, "this kernel has no memfile");
	if (!(self->vm.has & variant->flag) && access("/proc/swaps", F_OK))
		SKIP(return, "this kernel has no swap");
	ASSERT_TRUE(mf_read(POLICY("movable"), self->movable, 64));
	ASSERT_TRUE(mf_read(POLICY("swappable"), self->swappable, 64));
	ASSERT_EQ(0, mf_write(POLICY("movable"), "request"));
	ASSERT_EQ(0, mf_write(POLICY("swappable"), "request"));
}

static void restore(const char *path, char *policy)
{
	char *word = strchr(policy, '[');

	if (word)
		mf_write(path, strtok(word, "[]"));
}

FIXTURE_TEARDOWN(memfile)
{
	restore(POLICY("movable"), self->movable);
	restore(POLICY("swappable"), self->swappable);
}

TEST_F(memfile, reported)
{
	EXPECT_TRUE(self->vm.has & variant->flag);
	EXPECT_TRUE(self->vm.has & GUEST_MEMFD_FLAG_MMAP);
}

TEST_F(memfile, policy_request)
{
	char line[64];
	int fd;

	ASSERT_TRUE(mf_read(variant->policy, line, sizeof(line)));
	EXPECT_STREQ("always [request] never", line);
	fd = mf_gmem_create(self->vm.fd, SIZE, variant->flag);
	EXPECT_TRUE(caps_are(fd, variant->caps));
	fd = mf_gmem_create(self->vm.fd, SIZE, 0);
	EXPECT_TRUE(caps_are(fd, "none"));
}

TEST_F(memfile, policy_always)
{
	char line[64];
	int fd;

	ASSERT_EQ(0, mf_write(variant->policy, "always\n"));
	ASSERT_TRUE(mf_read(variant->policy, line, sizeof(line)));
	EXPECT_STREQ("[always] request never", line);
	fd = mf_gmem_create(self->vm.fd, SIZE, 0);
	EXPECT_TRUE(caps_are(fd, variant->caps));
	fd = mf_gmem_create(self->vm.fd, SIZE, variant->flag);
	EXPECT_TRUE(caps_are(fd, variant->caps));
}

TEST_F(memfile, policy_never)
{
	char line[64];
	int fd;

	ASSERT_EQ(0, mf_write(variant->policy, "never"));
	ASSERT_TRUE(mf_read(variant->policy, line, sizeof(line)));
	EXPECT_STREQ("always request [never]", line);
	EXPECT_EQ(-EPERM, mf_gmem_create(self->vm.fd, SIZE, variant->flag));
	EXPECT_EQ(-EPERM, mf_gmem_create(self->vm.fd, SIZE, BOTH));
	EXPECT_EQ(-EINVAL, mf_gmem_create(self->vm.fd, SIZE,
					  variant->flag | 1 << 2));
	fd = mf_gmem_create(self->vm.fd, SIZE, 0);
	ASSERT_LE(0, fd);
	EXPECT_TRUE(caps_are(fd, "none"));
}

/* What comes back from swap is another page: it takes movability. */
TEST_F(memfile, swap_takes_move)
{
	int fd;

	if (variant->flag != SWAPPABLE)
		SKIP(return, "is about the other capability");
	ASSERT_EQ(0, mf_write(POLICY("movable"), "never"));
	EXPECT_EQ(-EPERM, mf_gmem_create(self->vm.fd, SIZE, SWAPPABLE));
	ASSERT_EQ(0, mf_write(POLICY("swappable"), "always"));
	fd = mf_gmem_create(self->vm.fd, SIZE, 0);
	EXPECT_TRUE(caps_are(fd, "none"));
	ASSERT_EQ(0, mf_write(POLICY("movable"), "always"));
	ASSERT_EQ(0, mf_write(POLICY("swappable"), "never"));
	fd = mf_gmem_create(self->vm.fd, SIZE, 0);
	EXPECT_TRUE(caps_are(fd, "move"));
}

/* What counts is what was asked for at creation. */
TEST_F(memfile, policy_does_not_reach_back)
{
	int with, without;

	with = mf_gmem_create(self->vm.fd, SIZE, variant->flag);
	without = mf_gmem_create(self->vm.fd, SIZE, 0);
	ASSERT_EQ(0, mf_write(variant->policy, "never"));
	EXPECT_TRUE(caps_are(with, variant->caps));
	ASSERT_EQ(0, mf_write(variant->policy, "always"));
	EXPECT_TRUE(caps_are(without, "none"));
}

TEST_F(memfile, policy_bad_writes)
{
	static const char * const bad[] = {
		"x", "\n", "alway", "alwaysx", "always never", "[always]",
		"ALWAYS", "1", " ",
	};
	char line[64];
	int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-EINVAL, mf_write(variant->policy, bad[i])) {
			TH_LOG("'%s'", bad[i]);
		}
	}
	ASSERT_TRUE(mf_read(variant->policy, line, sizeof(line)));
	EXPECT_STREQ("always [request] never", line);
}

TEST_F(memfile, policy_is_for_root)
{
	char line[64];

	ASSERT_EQ(0, seteuid(65534));
	EXPECT_EQ(-EACCES, mf_write(variant->policy, "always"));
	EXPECT_TRUE(mf_read(variant->policy, line, sizeof(line)));
	ASSERT_EQ(0, seteuid(0));
}

TEST_F(memfile, fdinfo)
{
	int fd;

	fd = mf_gmem_create(self->vm.fd, SIZE, variant->flag);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, resident_kb(fd));
	EXPECT_EQ(0, mf_migrated(fd));
	EXPECT_EQ(0, mf_fdinfo_long(fd, "memfile-swapped:"));
	EXPECT_EQ(0, mf_fdinfo_long(fd, "memfile-swapin:"));
	EXPECT_EQ(0, mf_fdinfo_long(fd, "memfile-swapout:"));
	ASSERT_EQ(0, fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, SIZE));
	EXPECT_EQ(256, resident_kb(fd));
	ASSERT_EQ(0, fallocate(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE,
			       MF_PAGE, SIZE / 2));
	EXPECT_EQ(128, resident_kb(fd));
	EXPECT_EQ(0, mf_migrated(fd));
}

TEST_F(memfile, tracepoints)
{
	if (access("/sys/kernel/tracing/events", F_OK))
		SKIP(return, "tracefs is not mounted");
	EXPECT_EQ(0, access("/sys/kernel/tracing/events/memfile", F_OK));
}

/*
 * Whatever this machine has beyond two: firmware moves memory of some, and swaps
 * none.
 */
TEST(confidential_types)
{
	int type, vm, fd, types, tried = 0;
	int kvm = open("/dev/kvm", O_RDWR);
	long caps;

	types = ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_VM_TYPES);
	for (type = KVM_X86_SW_PROTECTED_VM + 1; type < 31; type++) {
		if (types < 0 || !(types >> type & 1))
			continue;
		vm = ioctl(kvm, KVM_CREATE_VM, type);
		if (vm < 0)
			continue;
		tried++;
		caps = BOTH & ioctl(vm, KVM_CHECK_EXTENSION,
				    KVM_CAP_GUEST_MEMFD_FLAGS);
		if (type == KVM_X86_SNP_VM || type == KVM_X86_TDX_VM)
			caps &= ~MOVABLE;
		EXPECT_EQ(0, caps) {
			TH_LOG("type %d", type);
		}
		fd = mf_gmem_create(vm, SIZE, MOVABLE);
		if (fd >= 0)
			close(fd);
		else
			EXPECT_EQ(-EINVAL, fd);
		EXPECT_EQ(-EINVAL, mf_gmem_create(vm, SIZE, SWAPPABLE)) {
			TH_LOG("type %d", type);
		}
		close(vm);
	}
	if (!tried)
		SKIP(return, "no confidential VM type on this machine");
}

TEST_HARNESS_MAIN
