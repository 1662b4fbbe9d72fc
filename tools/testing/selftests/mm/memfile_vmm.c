// SPDX-License-Identifier: GPL-2.0
/*
 * A virtual machine monitor just large enough for a real Linux guest.
 *
 * The guest's RAM is one guest_memfd, mapped by this process to load the
 * kernel and bound to the only memslot.  --movable and --swappable have the
 * file created with the flags of those names.  All of it is allocated before
 * the guest starts, so that what the host does later moves memory in use.
 *
 * A bzImage is entered at its 64-bit entry point: there is no firmware.  The
 * machine is one vCPU with KVM's local APIC (a "split" irqchip: no I/O APIC,
 * PIC or PIT, which KVM may be built without), a transmit-only 8250 at 0x3f8
 * that is copied to standard output, and the reset line of a keyboard
 * controller.  The guest's timer is the local APIC's; Linux uses that only if
 * firmware described the APIC, hence the ACPI MADT.
 *
 * In the guest runs memfile_guest, which tells on the console how far it is:
 *
 *	guest: ready				user space has filled memory
 *	guest: pass N errors E maxstall_us U	memory was verified N times
 *	guest: done				the limit of passes is reached
 *
 * SIGTERM lets the guest verify all of its memory once more from start to end
 * and then ends it.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#include <asm/bootparam.h>
#include <linux/falloc.h>
#include <linux/kvm.h>

/* How this program ends; 0 is a guest that verified its memory. */
enum {
	EXIT_GUEST	= 1,	/* guest died in user space, or found errors */
	EXIT_USAGE	= 2,
	EXIT_EARLY	= 3,	/* guest died before user space */
	EXIT_SETUP	= 4,	/* the host could not make the VM */
};

/* Guest physical addresses. */
#define GDT_ADDR	0x1000UL
#define BOOT_PARAMS	0x2000UL
#define PAGE_TABLES	0x4000UL	/* 6 pages: PML4, PDPT, 4 PMDs */
#define CMDLINE		0x20000UL
#define LOW_RAM_END	0x9fc00UL
#define ACPI_TABLES	0xe0000UL
#define HIGH_RAM	0x100000UL
#define MIN_RAM		(64 * MB)
#define MAX_RAM		(3072 * MB)	/* the local APIC is above */

#define BOOT_CS		0x10
#define BOOT_DS		0x18
#define SECTOR		512UL
#define MB		(1024 * 1024UL)
#define PAGE		4096UL

#define SERIAL		0x3f8
#define KEYBOARD	0x64
#define RESET		0xfe

#define PATIENCE	120	/* seconds without a line of console */
#define BASE_CMDLINE	"console=ttyS0 printk.devkmsg=on panic=-1 reboot=k"

static struct {
	const char *kernel, *initrd, *cmdline;
	size_t mem;
	int flags;		/* of the file */
} opt = {
	.mem = 192 * MB,
	.cmdline = "",
};

static struct {
	char line[256];		/* of the console, not yet complete */
	size_t len;
	time_t last;		/* when a line was last completed */
	bool ready, done;
	unsigned long beats, pass, errors, stall_us;
} guest;

static __u8 *ram;
static volatile sig_atomic_t told_to_stop;

static void bad_usage(const char *what, const char *arg)
{
	warnx("%s%s", what, arg);
	fprintf(stderr,
		"usage: memfile_vmm --kernel BZIMAGE --initrd CPIO [--mem MB]\n"
		"       [--movable] [--swappable] [--cmdline MORE]\n");
	exit(EXIT_USAGE);
}

static void parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "kernel",	required_argument, NULL, 'k' },
		{ "initrd",	required_argument, NULL, 'i' },
		{ "mem",	required_argument, NULL, 'm' },
		{ "cmdline",	required_argument, NULL, 'c' },
		{ "movable",	no_argument, &opt.flags, GUEST_MEMFD_FLAG_MOVABLE },
		{ "swappable",	no_argument, &opt.flags, GUEST_MEMFD_FLAG_SWAPPABLE },
		{ }
	};
	char *end;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'k':
			opt.kernel = optarg;
			break;
		case 'i':
			opt.initrd = optarg;
			break;
		case 'm':
			opt.mem = strtoul(optarg, &end, 10) * MB;
			if (*end || opt.mem < MIN_RAM || opt.mem > MAX_RAM)
				bad_usage("--mem is 64 to 3072, not ", optarg);
			break;
		case 'c':
			opt.cmdline = optarg;
			break;
		case '?':
			bad_usage("bad arguments", "");
		}
	}
	if (optind < argc || !opt.kernel || !opt.initrd)
		bad_usage("--kernel and --initrd are needed, no more", "");
	if (strlen(opt.cmdline) >= 1024)
		bad_usage("too long: --cmdline ", opt.cmdline);
}

static int xioctl(const char *name, int fd, unsigned long request, void *arg)
{
	int ret = ioctl(fd, request, arg);

	if (ret < 0)
		err(EXIT_SETUP, "%s", name);
	return ret;
}

#define XIOCTL(fd, request, arg) xioctl(#request, fd, request, arg)

static void make_ram(int vm)
{
	struct kvm_create_guest_memfd gmem = {
		.size = opt.mem,
		.flags = GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED |
			 opt.flags,
	};
	struct kvm_userspace_memory_region2 slot = {
		.flags = KVM_MEM_GUEST_MEMFD,
		.memory_size = opt.mem,
	};
	int caps, fd;

	caps = ioctl(vm, KVM_CHECK_EXTENSION, KVM_CAP_GUEST_MEMFD_FLAGS);
	if (caps < 0 || gmem.flags & ~(__u64)caps)
		errx(EXIT_SETUP, "KVM has guest_memfd flags %#x, not %#llx%s",
		     caps, gmem.flags, !opt.flags ? "" :
		     "; see /sys/kernel/mm/memfile/");
	fd = XIOCTL(vm, KVM_CREATE_GUEST_MEMFD, &gmem);
	if (fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, opt.mem))
		err(EXIT_SETUP, "allocating guest memory");
	ram = mmap(NULL, opt.mem, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (ram == MAP_FAILED)
		err(EXIT_SETUP, "mapping guest memory");

	slot.guest_memfd = fd;
	slot.userspace_addr = (unsigned long)ram;
	XIOCTL(vm, KVM_SET_USER_MEMORY_REGION2, &slot);
	printf("vmm: guest_memfd, flags %#llx\n", gmem.flags);
}

/* Loads what @path has after @from, but at most @max bytes. */
static size_t load(const char *path, off_t from, size_t to, size_t max)
{
	int fd = open(path, O_RDONLY);
	size_t len = 0;
	ssize_t n = 1;

	if (to >= opt.mem)
		errx(EXIT_USAGE, "%s: guest memory is too small", path);
	if (max > opt.mem - to)
		max = opt.mem - to;
	while (fd >= 0 && n > 0 && len < max) {
		n = pread(fd, ram + to + len, max - len, from + len);
		len += n;
	}
	if (fd < 0 || n < 0)
		err(EXIT_USAGE, "%s", path);
	if (to + len == opt.mem)
		errx(EXIT_USAGE, "%s does not fit in guest memory", path);
	close(fd);
	return len;
}

static __u8 checksum(const __u8 *p, size_t len)
{
	__u8 sum = 0;

	while (len--)
		sum -= *p++;
	return sum;
}

static void acpi_table(__u64 at, const char *name, const void *body, __u32 len)
{
	__u8 *table = ram + at;

	memcpy(table, name, 4);
	memcpy(table + 36, body, len);
	len += 36;
	memcpy(table + 4, &len, 4);
	table[8] = 1;			/* revision */
	table[9] = checksum(table, len);
}

/* An RSDP points at an XSDT, that at a MADT, which has one local APIC. */
static void make_acpi(void)
{
	static const __u64 xsdt = ACPI_TABLES + 64, madt = ACPI_TABLES + 128;
	static const __u8 apic[] = {
		0, 0, 0xe0, 0xfe, 0, 0, 0, 0,	/* its address, flags */
		0, 8, 0, 0, 1, 0, 0, 0,		/* processor 0 has id 0 */
	};
	__u8 *rsdp = ram + ACPI_TABLES;

	memcpy(rsdp, "RSD PTR ", 8);
	rsdp[15] = 2;			/* revision */
	rsdp[20] = 36;			/* length */
	memcpy(rsdp + 24, &xsdt, 8);
	rsdp[8] = checksum(rsdp, 20);
	rsdp[32] = checksum(rsdp, 36);
	acpi_table(xsdt, "XSDT", &madt, sizeof(madt));
	acpi_table(madt, "APIC", apic, sizeof(apic));
}

/* Returns the 64-bit entry point (Documentation/arch/x86/boot.rst). */
static __u64 load_linux(void)
{
	struct boot_params *bp = (void *)(ram + BOOT_PARAMS);
	struct setup_header *hdr = &bp->hdr;
	size_t initrd;

	if (load(opt.kernel, offsetof(struct boot_params, hdr),
		 BOOT_PARAMS + offsetof(struct boot_params, hdr),
		 sizeof(*hdr)) != sizeof(*hdr) ||
	    memcmp(&hdr->header, "HdrS", 4) || hdr->version < 0x20c ||
	    !(hdr->xloadflags & XLF_KERNEL_64))
		errx(EXIT_USAGE, "%s is not a 64-bit bzImage", opt.kernel);
	load(opt.kernel, ((hdr->setup_sects ?: 4) + 1) * SECTOR,
	     hdr->pref_address, MAX_RAM);
	initrd = (hdr->pref_address + hdr->init_size + PAGE - 1) & -PAGE;
	hdr->ramdisk_size = load(opt.initrd, 0, initrd, MAX_RAM);

	hdr->type_of_loader = 0xff;
	hdr->cmd_line_ptr = CMDLINE;
	hdr->ramdisk_image = initrd;
	sprintf((char *)ram + CMDLINE, BASE_CMDLINE " %s", opt.cmdline);

	make_acpi();
	bp->acpi_rsdp_addr = ACPI_TABLES;
	bp->e820_table[0] = (struct boot_e820_entry){ 0, LOW_RAM_END, 1 };
	bp->e820_table[1] = (struct boot_e820_entry){
		HIGH_RAM, opt.mem - HIGH_RAM, 1
	};
	bp->e820_entries = 2;

	return hdr->pref_address + 0x200;
}

static void set_cpuid(int kvm, int vcpu)
{
	static __u64 space[2048];
	struct kvm_cpuid2 *c = (void *)space;
	struct kvm_cpuid_entry2 *e;

	c->nent = (sizeof(space) - sizeof(*c)) / sizeof(*e);
	XIOCTL(kvm, KVM_GET_SUPPORTED_CPUID, c);
	for (e = c->entries; e < c->entries + c->nent; e++) {
		if (e->function != 1)
			continue;
		/*
		 * No XSAVE, OSXSAVE and AVX, which TCG's nested SVM does not
		 * bear.  A hypervisor, whose clock tells the TSC's frequency.
		 */
		e->ecx &= ~(1U << 26 | 1U << 27 | 1U << 28);
		e->ecx |= 1U << 31;
		e->ebx &= 0xffff;	/* APIC id 0, one CPU */
	}
	XIOCTL(vcpu, KVM_SET_CPUID2, c);
}

static void set_registers(int vcpu, __u64 entry)
{
	struct kvm_segment code = {
		.limit = ~0U, .selector = BOOT_CS, .type = 11, .present = 1,
		.s = 1, .l = 1, .g = 1,
	}, data = {
		.limit = ~0U, .selector = BOOT_DS, .type = 3, .present = 1,
		.s = 1, .db = 1, .g = 1,
	};
	struct kvm_regs r = { .rip = entry, .rsi = BOOT_PARAMS, .rflags = 2 };
	__u64 *gdt = (void *)(ram + GDT_ADDR);
	__u64 *table = (void *)(ram + PAGE_TABLES);
	struct kvm_sregs sregs;

	gdt[BOOT_CS / 8] = 0x00af9b000000ffff;
	gdt[BOOT_DS / 8] = 0x00cf93000000ffff;

	/* The first 4 GB, one to one, in pages of 2 MB */
	table[0] = (PAGE_TABLES + PAGE) | 3;
	for (int i = 0; i < 4; i++)
		table[512 + i] = (PAGE_TABLES + (2 + i) * PAGE) | 3;
	for (__u64 i = 0; i < 4 * 512; i++)
		table[1024 + i] = i << 21 | 0x83;

	XIOCTL(vcpu, KVM_GET_SREGS, &sregs);
	sregs.cs = code;
	sregs.ds = data;
	sregs.es = data;
	sregs.ss = data;
	sregs.gdt.base = GDT_ADDR;
	sregs.gdt.limit = BOOT_DS + 7;
	sregs.cr0 = 0x80000011;		/* PG, ET, PE */
	sregs.cr3 = PAGE_TABLES;
	sregs.cr4 = 0x20;		/* PAE */
	sregs.efer = 0x500;		/* LMA, LME */
	XIOCTL(vcpu, KVM_SET_SREGS, &sregs);
	XIOCTL(vcpu, KVM_SET_REGS, &r);
}

static void console(char c)
{
	const char *msg;

	putchar(c);
	if (c != '\n') {
		if (guest.len < sizeof(guest.line) - 1)
			guest.line[guest.len++] = c;
		return;
	}
	fflush(stdout);
	guest.line[guest.len] = '\0';
	guest.len = 0;
	guest.last = time(NULL);

	msg = strstr(guest.line, "guest: ");
	if (!msg)
		return;
	if (!strncmp(msg, "guest: ready", 12))
		guest.ready = true;
	else if (!strncmp(msg, "guest: done", 11))
		guest.done = true;
	else if (sscanf(msg, "guest: pass %lu errors %lu maxstall_us %lu",
			&guest.pass, &guest.errors, &guest.stall_us) == 3)
		guest.beats++;
}

/* Enough of an 8250 for Linux to recognise one and to print by polling. */
static __u8 serial(unsigned int reg, bool out, __u8 val)
{
	static __u8 regs[8];

	if (regs[3] & 0x80 && reg < 2)
		return !reg;		/* divisor: 115200 baud */
	if (out && !reg)
		console(val);
	if (out)
		regs[reg] = val;
	switch (reg) {
	case 0: return 0;		/* nothing is received */
	case 1: return regs[1] & 0x0f;
	case 2: return 0x01;		/* no interrupt */
	case 5: return 0x60;		/* transmitter empty */
	case 6: return 0xb0;		/* carrier, ready */
	default: return regs[reg];
	}
}

/* Returns true if the guest pulled the reset line. */
static bool do_io(struct kvm_run *run)
{
	bool out = run->io.direction == KVM_EXIT_IO_OUT;
	__u8 *data = (__u8 *)run + run->io.data_offset;
	__u16 port = run->io.port;

	for (__u32 n = run->io.count; n; n--, data += run->io.size) {
		if (!out)
			memset(data, 0xff, run->io.size);
		if (port >= SERIAL && port < SERIAL + 8)
			*data = serial(port - SERIAL, out, *data);
		else if (port == KEYBOARD && out && *data == RESET)
			return true;
		else if (port == KEYBOARD && !out)
			*data = 0;	/* ready for a command */
	}
	return false;
}

static void on_signal(int sig)
{
	told_to_stop |= sig == SIGTERM;
}

static int guest_lost(int vcpu, const struct kvm_run *run, const char *why)
{
	struct kvm_sregs s = { };
	struct kvm_regs r = { };

	ioctl(vcpu, KVM_GET_REGS, &r);
	ioctl(vcpu, KVM_GET_SREGS, &s);
	printf("\nvmm: guest died %s user space: %s, KVM exit %u (%#llx)\n",
	       guest.ready ? "in" : "before", why, run->exit_reason,
	       run->exit_reason == KVM_EXIT_MEMORY_FAULT ?
	       run->memory_fault.gpa : run->hw.hardware_exit_reason);
	printf("vmm: rip %#llx rsp %#llx cr0 %#llx cr2 %#llx cr3 %#llx\n",
	       r.rip, r.rsp, s.cr0, s.cr2, s.cr3);
	return guest.ready ? EXIT_GUEST : EXIT_EARLY;
}

static int run_guest(int vcpu, struct kvm_run *run)
{
	unsigned long last_beat = 0;

	guest.last = time(NULL);
	while (!last_beat || guest.beats < last_beat) {
		if (told_to_stop && !last_beat)
			last_beat = guest.beats + 2;	/* a pass apart */
		if (time(NULL) - guest.last > PATIENCE)
			return guest_lost(vcpu, run, "silent for too long");
		if (ioctl(vcpu, KVM_RUN, 0)) {
			if (errno == EINTR || errno == EAGAIN)
				continue;
			return guest_lost(vcpu, run, strerror(errno));
		}

		if (run->exit_reason == KVM_EXIT_MMIO)
			memset(run->mmio.data, 0xff, sizeof(run->mmio.data));
		else if (run->exit_reason != KVM_EXIT_IO)
			return guest_lost(vcpu, run, "it cannot go on");
		else if (do_io(run))
			return guest.done ? 0 : guest_lost(vcpu, run, "reset");
	}
	return 0;
}

int main(int argc, char **argv)
{
	const struct itimerval second = { { 1, 0 }, { 1, 0 } };
	struct sigaction sa = { .sa_handler = on_signal };
	struct kvm_enable_cap split = { .cap = KVM_CAP_SPLIT_IRQCHIP };
	struct kvm_run *run;
	int kvm, vm, vcpu, size, ret;

	parse(argc, argv);
	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm < 0)
		err(EXIT_SETUP, "/dev/kvm");
	vm = XIOCTL(kvm, KVM_CREATE_VM, NULL);
	XIOCTL(vm, KVM_ENABLE_CAP, &split);
	/* KVM's default is what it was before the host refined it: no timer */
	XIOCTL(vm, KVM_SET_TSC_KHZ, NULL);
	make_ram(vm);

	vcpu = XIOCTL(vm, KVM_CREATE_VCPU, NULL);
	size = XIOCTL(kvm, KVM_GET_VCPU_MMAP_SIZE, NULL);
	run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (run == MAP_FAILED)
		err(EXIT_SETUP, "mapping the vCPU");
	set_cpuid(kvm, vcpu);
	set_registers(vcpu, load_linux());

	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &second, NULL);

	ret = run_guest(vcpu, run);
	if (!ret && (guest.errors || !guest.pass))
		ret = EXIT_GUEST;
	printf("vmm: passes %lu errors %lu maxstall_us %lu exit %d\n",
	       guest.pass, guest.errors, guest.stall_us, ret);
	return ret;
}
