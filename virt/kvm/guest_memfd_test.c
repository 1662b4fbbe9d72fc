// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of a VM that becomes one whose memory cannot be moved, as
 * KVM_SEV_INIT2 makes it, without the firmware that it takes.
 *
 * VMs come from /dev/kvm, which only a process can open.  To run them:
 *
 *	echo 1 > /sys/kernel/debug/kunit/kvm_gmem/run
 */
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/fadvise.h>
#include <linux/falloc.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kvm_host.h>
#include <linux/memfile.h>
#include <linux/mman.h>
#include <linux/pagemap.h>
#include <linux/uaccess.h>

#define GMEM_SIZE	(16 * PAGE_SIZE)
#define GMEM_FLAGS	(GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_MOVABLE)

struct gmem_test {
	struct kvm *kvm;
	struct file *vm;
	void __user *arg;	/* a page, for the arguments of ioctls */
};

static struct file *gmem_test_dev;

KUNIT_DEFINE_ACTION_WRAPPER(gmem_test_fput, fput, struct file *);

/* Keep what @fd refers to for the rest of the test; the caller closes @fd. */
static struct file *gmem_test_file(struct kunit *test, int fd)
{
	struct file *file;

	KUNIT_ASSERT_GE(test, fd, 0);
	file = fget(fd);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, gmem_test_fput, file));
	return file;
}

static long gmem_test_ioctl(struct kunit *test, unsigned int cmd,
			    const void *arg, size_t size)
{
	struct gmem_test *t = test->priv;

	KUNIT_ASSERT_EQ(test, 0, copy_to_user(t->arg, arg, size));
	return t->vm->f_op->unlocked_ioctl(t->vm, cmd, (unsigned long)t->arg);
}

static int gmem_test_create(struct kunit *test, u64 flags)
{
	struct kvm_create_guest_memfd args = {
		.size = GMEM_SIZE, .flags = flags,
	};

	return gmem_test_ioctl(test, KVM_CREATE_GUEST_MEMFD, &args,
			       sizeof(args));
}

/* Returns a file, and in @fd a number of it for gmem_test_bind(). */
static struct file *gmem_test_create_file(struct kunit *test, int *fd,
					  u64 flags)
{
	struct file *file;

	*fd = gmem_test_create(test, flags);
	file = gmem_test_file(test, *fd);
	KUNIT_ASSERT_EQ(test, 0,
			file->f_op->fallocate(file, FALLOC_FL_KEEP_SIZE, 0,
					      GMEM_SIZE));
	return file;
}

static long gmem_test_bind(struct kunit *test, int fd)
{
	struct kvm_userspace_memory_region2 slot = {
		.flags = KVM_MEM_GUEST_MEMFD,
		.memory_size = GMEM_SIZE,
		.guest_memfd = fd,
	};

	return gmem_test_ioctl(test, KVM_SET_USER_MEMORY_REGION2, &slot,
			       sizeof(slot));
}

static long gmem_test_flags(struct kunit *test)
{
	struct gmem_test *t = test->priv;

	return t->vm->f_op->unlocked_ioctl(t->vm, KVM_CHECK_EXTENSION,
					   KVM_CAP_GUEST_MEMFD_FLAGS);
}

static void bound_file_stops_moving(struct kunit *test)
{
	struct gmem_test *t = test->priv;
	struct file *file;
	int fd;

	file = gmem_test_create_file(test, &fd, GMEM_FLAGS);
	KUNIT_EXPECT_EQ(test, 0, gmem_test_bind(test, fd));
	close_fd(fd);
	KUNIT_EXPECT_FALSE(test, mapping_unmovable(file->f_mapping));

	KUNIT_EXPECT_EQ(test, 0, kvm_gmem_set_unmovable(t->kvm));
	KUNIT_EXPECT_TRUE(test, mapping_unmovable(file->f_mapping));
}

/* Mapped by user space alone it is memory like any other until then. */
static void file_stops_moving_when_it_is_bound(struct kunit *test)
{
	struct gmem_test *t = test->priv;
	struct file *file;
	int fd;

	file = gmem_test_create_file(test, &fd, GMEM_FLAGS);
	KUNIT_EXPECT_EQ(test, 0, kvm_gmem_set_unmovable(t->kvm));
	KUNIT_EXPECT_FALSE(test, mapping_unmovable(file->f_mapping));

	KUNIT_EXPECT_EQ(test, 0, gmem_test_bind(test, fd));
	close_fd(fd);
	KUNIT_EXPECT_TRUE(test, mapping_unmovable(file->f_mapping));
}

static void swapped_memory_is_brought_in(struct kunit *test)
{
	struct gmem_test *t = test->priv;
	struct address_space *mapping;
	struct file *file;
	int fd, r;

	if (!(gmem_test_flags(test) & GUEST_MEMFD_FLAG_SWAPPABLE))
		kunit_skip(test, "memory is not swapped by this kernel");

	file = gmem_test_create_file(test, &fd, GUEST_MEMFD_FLAG_SWAPPABLE);
	KUNIT_EXPECT_EQ(test, 0, gmem_test_bind(test, fd));
	close_fd(fd);
	mapping = file->f_mapping;

	r = vfs_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
	if (r == -ENOSPC)
		kunit_skip(test, "no swap is on");
	KUNIT_EXPECT_EQ(test, 0, r);
	KUNIT_EXPECT_EQ(test, 0, mapping->nrpages);
	KUNIT_EXPECT_FALSE(test, mapping_empty(mapping));

	KUNIT_EXPECT_EQ(test, 0, kvm_gmem_set_unmovable(t->kvm));
	KUNIT_EXPECT_EQ(test, GMEM_SIZE >> PAGE_SHIFT, mapping->nrpages);
	KUNIT_EXPECT_TRUE(test, mapping_unevictable(mapping));
	KUNIT_EXPECT_TRUE(test, mapping_unmovable(mapping));
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP,
			vfs_fadvise(file, 0, 0, POSIX_FADV_DONTNEED));
}

static bool nothing_may_stay(struct folio *folio)
{
	return false;
}

/* Its memory is in the way where it is, and cannot be anywhere else. */
static void file_that_cannot_be_bound_goes_on_moving(struct kunit *test)
{
	struct gmem_test *t = test->priv;
	struct file *file;
	int fd, r;

	if (!(gmem_test_flags(test) & GUEST_MEMFD_FLAG_SWAPPABLE))
		kunit_skip(test, "memory is not swapped by this kernel");

	file = gmem_test_create_file(test, &fd, GUEST_MEMFD_FLAG_SWAPPABLE);
	KUNIT_EXPECT_EQ(test, 0, kvm_gmem_set_unmovable(t->kvm));

	kunit_activate_static_stub(test, memfile_folio_may_stay,
				   nothing_may_stay);
	KUNIT_EXPECT_EQ(test, -EBUSY, gmem_test_bind(test, fd));
	kunit_deactivate_static_stub(test, memfile_folio_may_stay);

	/* As before, the VM would let it swap, not just the file. */
	r = vfs_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
	if (r != -ENOSPC) {
		KUNIT_EXPECT_EQ(test, 0, r);
		KUNIT_EXPECT_EQ(test, 0, file->f_mapping->nrpages);
	}

	KUNIT_EXPECT_EQ(test, 0, gmem_test_bind(test, fd));
	close_fd(fd);
	if (r == -ENOSPC)
		kunit_skip(test, "no swap is on");
	KUNIT_EXPECT_TRUE(test, mapping_unmovable(file->f_mapping));
}

static void flag_is_refused_afterwards(struct kunit *test)
{
	struct gmem_test *t = test->priv;
	int fd;

	KUNIT_EXPECT_TRUE(test,
			  gmem_test_flags(test) & GUEST_MEMFD_FLAG_MOVABLE);
	KUNIT_EXPECT_EQ(test, 0, kvm_gmem_set_unmovable(t->kvm));
	KUNIT_EXPECT_FALSE(test,
			   gmem_test_flags(test) & (GUEST_MEMFD_FLAG_MOVABLE |
						    GUEST_MEMFD_FLAG_SWAPPABLE));
	KUNIT_EXPECT_EQ(test, -EINVAL, gmem_test_create(test, GMEM_FLAGS));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			gmem_test_create(test, GUEST_MEMFD_FLAG_SWAPPABLE));

	fd = gmem_test_create(test, GUEST_MEMFD_FLAG_MMAP);
	KUNIT_ASSERT_GE(test, fd, 0);
	close_fd(fd);
}

/* Unlike the tests this is called by the process that runs the suite. */
static int gmem_test_suite_init(struct kunit_suite *suite)
{
	gmem_test_dev = filp_open("/dev/kvm", O_RDWR, 0);
	return 0;
}

static void gmem_test_suite_exit(struct kunit_suite *suite)
{
	if (!IS_ERR(gmem_test_dev))
		fput(gmem_test_dev);
}

static int gmem_test_init(struct kunit *test)
{
	struct gmem_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	struct file *dev = gmem_test_dev;
	int fd;

	/* E.g. when suites run by themselves while the kernel boots. */
	if (IS_ERR(dev))
		kunit_skip(test, "no /dev/kvm");
	KUNIT_ASSERT_NOT_NULL(test, t);
	test->priv = t;

	t->arg = (void __user *)kunit_vm_mmap(test, NULL, 0, PAGE_SIZE,
					      PROT_READ | PROT_WRITE,
					      MAP_ANONYMOUS | MAP_PRIVATE, 0);
	KUNIT_ASSERT_NE(test, 0, (unsigned long)t->arg);

	fd = dev->f_op->unlocked_ioctl(dev, KVM_CREATE_VM, 0);
	t->vm = gmem_test_file(test, fd);
	close_fd(fd);
	t->kvm = t->vm->private_data;
	if (!(gmem_test_flags(test) & GUEST_MEMFD_FLAG_MOVABLE))
		kunit_skip(test, "memory is not moved by this kernel");
	return 0;
}

static struct kunit_case gmem_test_cases[] = {
	KUNIT_CASE(bound_file_stops_moving),
	KUNIT_CASE(file_stops_moving_when_it_is_bound),
	KUNIT_CASE(swapped_memory_is_brought_in),
	KUNIT_CASE(file_that_cannot_be_bound_goes_on_moving),
	KUNIT_CASE(flag_is_refused_afterwards),
	{}
};

static struct kunit_suite gmem_test_suite = {
	.name = "kvm_gmem",
	.suite_init = gmem_test_suite_init,
	.suite_exit = gmem_test_suite_exit,
	.init = gmem_test_init,
	.test_cases = gmem_test_cases,
};

kunit_test_suite(gmem_test_suite);

MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
