// SPDX-License-Identifier: GPL-2.0-only
/*
 * A vCPU touches memory of guest_memfd that is in swap, and the disk that it is
 * read from does not answer.  A guest that has enabled asynchronous page faults
 * does other work meanwhile; one that has not is halted, and its processor is
 * free.
 */
#include <linux/kvm_para.h>
#include <asm/kvm_para.h>
#include <pthread.h>

#include "kvm_util.h"
#include "processor.h"
#include "apic.h"
#include "kvm_test_harness.h"
#include "../../mm/memfile_swap.h"

#define APF_VECTOR	0x20
#define TEST_SLOT	10
#define TEST_GPA	0xc0000000ul
#define NR_PAGES	64
#define TEST_SIZE	(NR_PAGES * PAGE_SIZE)

/* The guest's. */
static struct kvm_vcpu_pv_apf_data apf __aligned(64);
static u64 not_present, ready, work;
static u32 ready_token;

static u64 value_of(int page)
{
	return 0x9e3779b97f4a7c15ul * (page + 1);
}

static u64 *page_of(int page)
{
	return (u64 *)(TEST_GPA + page * PAGE_SIZE);
}

static void guest_pf_handler(struct ex_regs *regs)
{
	u32 token = get_cr2();

	GUEST_ASSERT_EQ(apf.flags, KVM_PV_REASON_PAGE_NOT_PRESENT);
	apf.flags = 0;
	not_present++;

	/* Other work, until the page is there. */
	sti_nop();
	while (READ_ONCE(ready_token) != token)
		WRITE_ONCE(work, work + 1);
	cli();
}

static void guest_ready_handler(struct ex_regs *regs)
{
	/* One for all says that asynchronous page faults are enabled. */
	if (apf.token != ~0u)
		ready++;
	ready_token = apf.token;
	apf.token = 0;
	wrmsr(MSR_KVM_ASYNC_PF_ACK, 1);
	x2apic_write_reg(APIC_EOI, 0);
}

static void guest_code(u64 apf_gpa)
{
	int i;

	x2apic_enable();
	if (apf_gpa) {
		wrmsr(MSR_KVM_ASYNC_PF_INT, APF_VECTOR);
		wrmsr(MSR_KVM_ASYNC_PF_EN, apf_gpa | KVM_ASYNC_PF_ENABLED |
		      KVM_ASYNC_PF_SEND_ALWAYS |
		      KVM_ASYNC_PF_DELIVERY_AS_INT);
	}
	sti_nop();

	for (i = 0; i < NR_PAGES; i++)
		WRITE_ONCE(*page_of(i), value_of(i));
	GUEST_SYNC(0);
	for (i = 0; i < NR_PAGES; i++)
		GUEST_ASSERT_EQ(READ_ONCE(*page_of(i)), value_of(i));
	GUEST_DONE();
}

FIXTURE(async_pf)
{
	struct kvm_vcpu *vcpu;
	struct mf_swap swap;
	int fd;
};

FIXTURE_VARIANT(async_pf)
{
	enum mf_client client;
};

FIXTURE_VARIANT_ADD(async_pf, bound)
{
	.client = MF_BOUND,
};

FIXTURE_VARIANT_ADD(async_pf, private)
{
	.client = MF_PRIVATE,
};

FIXTURE_VARIANT_ADD(async_pf, hva)
{
	.client = MF_HVA,
};

FIXTURE_SETUP(async_pf)
{
	struct vm_shape shape = {
		.mode = VM_MODE_DEFAULT,
		.type = mf_vm_type(variant->client),
	};
	u64 flags = GUEST_MEMFD_FLAG_SWAPPABLE;
	bool gmem = variant->client == MF_BOUND || variant->client == MF_PRIVATE;
	const char *lacks;
	struct kvm_vm *vm;
	void *mem;

	lacks = mf_lacks(variant->client, flags);
	if (!lacks)
		lacks = mf_swap_on(&self->swap, MF_MAPPED, 64ul << 20);
	if (lacks)
		SKIP(return, "%s", lacks);

	vm = vm_create_shape_with_one_vcpu(shape, &self->vcpu, guest_code);
	vm_install_exception_handler(vm, PF_VECTOR, guest_pf_handler);
	vm_install_exception_handler(vm, APF_VECTOR, guest_ready_handler);

	if (variant->client != MF_PRIVATE)
		flags |= GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED;
	self->fd = vm_create_guest_memfd(vm, TEST_SIZE, flags);
	mem = mmap(NULL, TEST_SIZE, PROT_READ | PROT_WRITE,
		   variant->client == MF_PRIVATE ? MAP_PRIVATE | MAP_ANONYMOUS :
						   MAP_SHARED,
		   variant->client == MF_PRIVATE ? -1 : self->fd, 0);
	ASSERT_NE(MAP_FAILED, mem);
	vm_set_user_memory_region2(vm, TEST_SLOT,
				   gmem ? KVM_MEM_GUEST_MEMFD : 0, TEST_GPA,
				   TEST_SIZE, mem, gmem ? self->fd : 0, 0);
	virt_map(vm, TEST_GPA, TEST_GPA, NR_PAGES);
	if (variant->client == MF_PRIVATE)
		vm_mem_set_private(vm, TEST_GPA, TEST_SIZE);
}

FIXTURE_TEARDOWN(async_pf)
{
	if (!self->vcpu)
		return;
	mf_swap_stop(false);
	kvm_vm_free(self->vcpu->vm);
	close(self->fd);
	EXPECT_EQ(0, mf_swap_off(&self->swap));
}

static void *run(void *vcpu)
{
	vcpu_run(vcpu);
	return NULL;
}

/* Run until the guest has written all of it, which then goes to swap. */
static void fill(struct __test_metadata *_metadata, struct kvm_vcpu *vcpu,
		 int fd)
{
	struct ucall uc;

	vcpu_run(vcpu);
	ASSERT_EQ(UCALL_SYNC, get_ucall(vcpu, &uc));
	ASSERT_EQ(0, posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	ASSERT_TRUE(mf_swap_stop(true));
}

static void finish(struct __test_metadata *_metadata, struct kvm_vcpu *vcpu,
		   pthread_t thread)
{
	struct ucall uc;

	ASSERT_TRUE(mf_swap_stop(false));
	pthread_join(thread, NULL);
	switch (get_ucall(vcpu, &uc)) {
	case UCALL_DONE:
		break;
	case UCALL_ABORT:
		REPORT_GUEST_ASSERT(uc);
	default:
		ASSERT_TRUE(false) {
			TH_LOG("exit reason %u", vcpu->run->exit_reason);
		}
	}
}

TEST_F_TIMEOUT(async_pf, works_on, 2 * MF_PATIENCE)
{
	struct kvm_vm *vm = self->vcpu->vm;
	u64 *work_hva = addr_gva2hva(vm, (gva_t)&work);
	pthread_t thread;
	u64 done;
	int i;

	vcpu_args_set(self->vcpu, 1, addr_gva2gpa(vm, (gva_t)&apf));
	fill(_metadata, self->vcpu, self->fd);
	ASSERT_EQ(0, pthread_create(&thread, NULL, run, self->vcpu));
	for (i = 0; i < MF_PATIENCE && !READ_ONCE(*work_hva); i++)
		sleep(1);
	/* And it goes on. */
	done = READ_ONCE(*work_hva);
	sleep(1);
	EXPECT_LT(done, READ_ONCE(*work_hva));
	finish(_metadata, self->vcpu, thread);

	sync_global_from_guest(vm, not_present);
	sync_global_from_guest(vm, ready);
	EXPECT_LT(0, not_present);
	EXPECT_EQ(not_present, ready);
}

TEST_F_TIMEOUT(async_pf, is_halted, 2 * MF_PATIENCE)
{
	pthread_t thread;
	int i;

	vcpu_args_set(self->vcpu, 1, 0);
	fill(_metadata, self->vcpu, self->fd);
	ASSERT_EQ(0, pthread_create(&thread, NULL, run, self->vcpu));
	for (i = 0; i < MF_PATIENCE && !vcpu_get_stat(self->vcpu, blocking); i++)
		sleep(1);
	EXPECT_EQ(1, vcpu_get_stat(self->vcpu, blocking));
	finish(_metadata, self->vcpu, thread);
	EXPECT_EQ(0, vcpu_get_stat(self->vcpu, blocking));
}

TEST_HARNESS_MAIN
