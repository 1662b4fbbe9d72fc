// SPDX-License-Identifier: GPL-2.0
/*
 * memfile: the administrator's policy.
 */

/**
 * DOC: Policy
 *
 * /sys/kernel/mm/memfile/ has one file a capability, so far ``movable``, like
 * transparent_hugepage/enabled:
 *
 * always
 *   every file whose consumer tolerates the capability has it
 * request
 *   files have it whose creator asks for it; the default
 * never
 *   asking for it is refused
 *
 * A change is for files created from then on.
 */
#include <linux/export.h>
#include <linux/init.h>
#include <linux/kobject.h>
#include <linux/memfile.h>
#include <linux/string.h>
#include <linux/sysfs.h>

enum memfile_policy {
	MEMFILE_ALWAYS,
	MEMFILE_REQUEST,
	MEMFILE_NEVER,
};

static enum memfile_policy memfile_movable __read_mostly = MEMFILE_REQUEST;

/**
 * memfile_request_caps - apply the administrator's policy to a new file
 * @asked: MEMFILE_CAP_* that the creator asks for; on success, what the file
 *	is to be initialised with
 * @tolerated: what the consumer tolerates
 *
 * Return: 0; -EINVAL if more is asked for than is tolerated; -EPERM if the
 * policy forbids what is asked for.
 */
int memfile_request_caps(unsigned long *asked, unsigned long tolerated)
{
	if (*asked & ~tolerated)
		return -EINVAL;

	switch (READ_ONCE(memfile_movable)) {
	case MEMFILE_ALWAYS:
		*asked |= tolerated & MEMFILE_CAP_MOVE;
		break;
	case MEMFILE_REQUEST:
		break;
	case MEMFILE_NEVER:
		if (*asked & MEMFILE_CAP_MOVE)
			return -EPERM;
		break;
	}
	return 0;
}
EXPORT_SYMBOL_FOR_MODULES(memfile_request_caps, "kvm");

#ifdef CONFIG_SYSFS
static const char * const memfile_policy_names[] = {
	[MEMFILE_ALWAYS]	= "always",
	[MEMFILE_REQUEST]	= "request",
	[MEMFILE_NEVER]		= "never",
};

static ssize_t movable_show(struct kobject *kobj, struct kobj_attribute *attr,
			    char *buf)
{
	enum memfile_policy policy = READ_ONCE(memfile_movable);
	int i, len = 0;

	for (i = 0; i < ARRAY_SIZE(memfile_policy_names); i++)
		len += sysfs_emit_at(buf, len, i == policy ? "[%s] " : "%s ",
				     memfile_policy_names[i]);

	/* The last blank ends the line. */
	buf[len - 1] = '\n';
	return len;
}

static ssize_t movable_store(struct kobject *kobj, struct kobj_attribute *attr,
			     const char *buf, size_t count)
{
	int policy = sysfs_match_string(memfile_policy_names, buf);

	if (policy < 0)
		return policy;

	WRITE_ONCE(memfile_movable, policy);
	return count;
}

static struct kobj_attribute movable_attr = __ATTR_RW(movable);

static struct attribute *memfile_attrs[] = {
	&movable_attr.attr,
	NULL,
};

static const struct attribute_group memfile_attr_group = {
	.name = "memfile",
	.attrs = memfile_attrs,
};

static int __init memfile_sysfs_init(void)
{
	return sysfs_create_group(mm_kobj, &memfile_attr_group);
}
subsys_initcall(memfile_sysfs_init);
#endif /* CONFIG_SYSFS */
