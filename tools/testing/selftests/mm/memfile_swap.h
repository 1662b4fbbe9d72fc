/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Swap for a test: on zram, on the disk that $MEMFILE_SWAP_DISK names, which is
 * overwritten, in a file there, or on that disk behind zswap or device mapper.
 */
#ifndef MEMFILE_SWAP_H
#define MEMFILE_SWAP_H

#include <linux/dm-ioctl.h>
#include <sys/swap.h>
#include "memfile_vm.h"

#define MF_ZRAM_CONTROL	"/sys/class/zram-control"
#define MF_ZSWAP	"/sys/module/zswap/parameters/enabled"
#define MF_MOUNT	"/tmp/memfile_swap"
#define MF_DM_NAME	"memfile_swap"

/* MF_MAPPED can be stopped, and made to fail. */
enum mf_device { MF_ZRAM, MF_DISK, MF_FILE, MF_ZSWAPPED, MF_MAPPED };

struct mf_swap {
	enum mf_device device;
	size_t size;
	char path[64];
	char zram[8];		/* the number of the device */
	bool on;
};

/* Make an area of @size bytes; mkswap(8) says no more to the kernel. */
static inline bool mf_make_swap(const char *path, size_t size)
{
	static char header[MF_PAGE];
	int fd = open(path, O_RDWR);
	bool ok;

	*(__u32 *)(header + 1024) = 1;
	*(__u32 *)(header + 1028) = size / MF_PAGE - 1;
	memcpy(header + MF_PAGE - 10, "SWAPSPACE2", 10);
	ok = fd >= 0 && pwrite(fd, header, MF_PAGE, 0) == MF_PAGE && !fsync(fd);
	close(fd);
	return ok;
}

/* A device of our own, whoever else has one. */
static inline bool mf_make_zram(struct mf_swap *swap, size_t size)
{
	char path[64], text[32];

	if (!mf_read(MF_ZRAM_CONTROL "/hot_add", swap->zram, sizeof(swap->zram)))
		return false;
	snprintf(swap->path, sizeof(swap->path), "/dev/zram%s", swap->zram);
	snprintf(path, sizeof(path), "/sys/block/zram%s/disksize", swap->zram);
	snprintf(text, sizeof(text), "%zu", size);
	return !mf_write(path, text);
}

static inline bool mf_make_file(struct mf_swap *swap, const char *disk,
				size_t size)
{
	static char zeroes[1 << 20];
	char command[96];
	int fd;

	snprintf(swap->path, sizeof(swap->path), MF_MOUNT "/swapfile");
	snprintf(command, sizeof(command), "mke2fs %s >/dev/null 2>&1", disk);
	mkdir(MF_MOUNT, 0700);
	if (system(command) || mount(disk, MF_MOUNT, "ext2", 0, NULL))
		return false;
	fd = open(swap->path, O_RDWR | O_CREAT, 0600);
	for (; size; size -= sizeof(zeroes))
		if (write(fd, zeroes, sizeof(zeroes)) != sizeof(zeroes))
			break;
	/* Page cache that would be reclaimed first. */
	fsync(fd);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	close(fd);
	return !size;
}

/* Without udev, which there may not be. */
static inline bool mf_dmsetup(const char *command)
{
	char line[192];

	snprintf(line, sizeof(line),
		 "DM_DISABLE_UDEV=1 dmsetup %s " MF_DM_NAME " >/dev/null 2>&1",
		 command);
	return !system(line);
}

static inline bool mf_dm_table(struct mf_swap *swap, const char *command,
			       const char *target, const char *args)
{
	char line[128];

	snprintf(line, sizeof(line), "--table '0 %zu %s %s 0 %s' %s",
		 swap->size / 512, target, getenv("MEMFILE_SWAP_DISK"), args,
		 command);
	return mf_dmsetup(line);
}

static inline bool mf_make_mapped(struct mf_swap *swap)
{
	snprintf(swap->path, sizeof(swap->path), "/dev/mapper/" MF_DM_NAME);
	return mf_dm_table(swap, "create", "linear", "");
}

/* Let reads and writes of an MF_MAPPED device fail, or not. */
static inline bool mf_swap_fail(struct mf_swap *swap, bool fail)
{
	/* Seconds that it is up, and down, in turn. */
	return mf_dm_table(swap, "reload", "flakey", fail ? "0 1" : "1 0") &&
	       mf_dmsetup("resume");
}

/*
 * Let reads and writes of an MF_MAPPED device wait, or go on.  Not by dmsetup: a
 * process that waits for a read of its own memory cannot fork.
 */
static inline bool mf_swap_stop(bool stop)
{
	struct dm_ioctl dm = {
		.version = { DM_VERSION_MAJOR },
		.data_size = sizeof(dm),
		.name = MF_DM_NAME,
		.flags = stop ? DM_SUSPEND_FLAG : 0,
	};
	int fd = open("/dev/mapper/control", O_RDWR);
	bool ok = !ioctl(fd, DM_DEV_SUSPEND, &dm);

	close(fd);
	return ok;
}

/* @size is a multiple of 1 MB.  Returns why swap is not on, or NULL. */
static inline const char *mf_swap_add(struct mf_swap *swap,
				      enum mf_device device, size_t size,
				      int priority)
{
	const char *disk = getenv("MEMFILE_SWAP_DISK");

	if (device != MF_ZRAM && !disk)
		return "MEMFILE_SWAP_DISK is not set";

	swap->device = device;
	swap->size = size;
	switch (device) {
	case MF_ZRAM:
		if (!mf_make_zram(swap, size))
			return "no zram";
		break;
	case MF_FILE:
		if (!mf_make_file(swap, disk, size))
			return "no ext2 file system for a swap file";
		break;
	case MF_MAPPED:
		if (!mf_make_mapped(swap))
			return "no device mapper, or no dmsetup";
		break;
	case MF_DISK:
	case MF_ZSWAPPED:
		snprintf(swap->path, sizeof(swap->path), "%s", disk);
		if (device == MF_ZSWAPPED && mf_write(MF_ZSWAP, "Y"))
			return "no zswap";
	}
	/* Discard where the device can. */
	if (!mf_make_swap(swap->path, size) ||
	    swapon(swap->path, SWAP_FLAG_PREFER | SWAP_FLAG_DISCARD | priority))
		return "no swap can be made there";
	swap->on = true;
	return NULL;
}

/* The only swap. */
static inline const char *mf_swap_on(struct mf_swap *swap,
				     enum mf_device device, size_t size)
{
	char line[128];

	if (access("/proc/swaps", R_OK))
		return "this kernel has no swap";
	if (!mf_lookup("/proc/meminfo", "SwapTotal:", line, sizeof(line)) ||
	    strtol(line, NULL, 10))
		return "other swap is on";
	return mf_swap_add(swap, device, size, 1);
}

/*
 * Returns what swapoff(2) does.  Entries that nobody owns any more would make
 * it go on for ever: a signal ends it.
 */
static inline int mf_swap_off(struct mf_swap *swap)
{
	struct sigaction sa = { .sa_handler = mf_on_alarm };
	int ret;

	if (!swap->on)
		return 0;
	sigaction(SIGALRM, &sa, NULL);
	alarm(MF_PATIENCE);
	ret = swapoff(swap->path);
	alarm(0);
	if (ret)
		return ret;

	swap->on = false;
	if (swap->device == MF_FILE)
		umount(MF_MOUNT);
	if (swap->device == MF_MAPPED)
		mf_dmsetup("remove");
	if (swap->device == MF_ZSWAPPED)
		mf_write(MF_ZSWAP, "N");
	if (swap->device == MF_ZRAM)
		mf_write(MF_ZRAM_CONTROL "/hot_remove", swap->zram);
	return 0;
}

/* What is in use, kB. */
static inline long mf_swap_used(struct mf_swap *swap)
{
	char value[128];
	long used;

	if (!mf_lookup("/proc/swaps", swap->path, value, sizeof(value)) ||
	    sscanf(value, "%*s %*d %ld", &used) != 1)
		return -1;
	return used;
}

#endif /* MEMFILE_SWAP_H */
