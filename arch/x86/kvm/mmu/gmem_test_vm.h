/* SPDX-License-Identifier: GPL-2.0 */
#ifndef __KVM_X86_MMU_GMEM_TEST_VM_H
#define __KVM_X86_MMU_GMEM_TEST_VM_H

#include <kunit/test.h>
#include <linux/kvm_host.h>
#include <linux/migrate.h>

#include "mmu_internal.h"

#define GMEM_TEST_PAGES		512
#define GMEM_TEST_LEVELS	4

/*
 * A VM that is made by hand, of a type that this processor does not have, with
 * its memory in a guest_memfd, from GFN 0 on, and page tables of one page a level.
 */
struct gmem_test_vm {
	struct kunit *test;
	struct kvm *kvm;
	struct kvm_memory_slot *slot;
	struct kvm_mmu_page sp[GMEM_TEST_LEVELS];
	struct file *file;
	/* Whoever holds a reference to a page keeps it where it is. */
	struct folio *held;
};

void gmem_test_init(struct gmem_test_vm *vm, struct kunit *test,
		    struct kvm *kvm, unsigned long type);
void gmem_test_exit(struct gmem_test_vm *vm);

u64 *gmem_test_spte(struct gmem_test_vm *vm, int page);
struct folio *gmem_test_folio(struct gmem_test_vm *vm, int page);
void gmem_test_bind(struct gmem_test_vm *vm);
void gmem_test_unbind(struct gmem_test_vm *vm);
void gmem_test_allocate(struct gmem_test_vm *vm, int start, int nr);
void gmem_test_punch(struct gmem_test_vm *vm, int start, int nr);
int gmem_test_move(struct gmem_test_vm *vm, int start, int nr,
		   new_folio_t *new_folio, unsigned long private);
void gmem_test_hold(struct gmem_test_vm *vm, int page);
void gmem_test_let_go(struct gmem_test_vm *vm);
void gmem_test_expect_refused(struct gmem_test_vm *vm, u64 flags);
void gmem_test_expect_opt_in(struct gmem_test_vm *vm);

#endif /* __KVM_X86_MMU_GMEM_TEST_VM_H */
