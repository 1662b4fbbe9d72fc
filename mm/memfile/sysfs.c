// SPDX-License-Identifier: GPL-2.0
/*
 * memfile: the administrator's policy.
 */

/**
 * DOC: Policy
 *
 * /sys/kernel/mm/memfile/ has one file a capability, ``movable`` and
 * ``swappable``, like transparent_hugepage/enabled:
 *
 * always
 *   every file whose consumer tolerates the capability has it, except memory
 *   that only firmware can move
 * request
 *   files have it whose creator asks for it; the default
 * never
 *   asking for it is refused
 *
 * What is swapped comes back to another page, so swappable memory is movable
 * as well: a file gets the former only if it may have the latter.
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
static enum memfile_policy memfile_swappable __read_mostly = MEMFILE_REQUEST;

static int memfile_apply_policy(enum memfile_policy policy, unsigned long cap,
				unsigned long *asked, unsigned long tolerated)
{
	switch (policy) {
	case MEMFILE_ALWAYS:
		*asked |= tolerated & cap;
		break;
	case MEMFILE_REQUEST:
		break;
	case MEMFILE_NEVER:
		if (*asked & cap)
			return -EPERM;
		break;
	}
	return 0;
}

/**
 * memfile_request_caps - apply the administrator's policy to a new file
 * @asked: MEMFILE_CAP_* that the creator asks for; on success, what the file
 *	is to be initialised with
 * @tolerated: what the consumer tolerates
 *
 * Return: 0; -EINVAL if more is asked for than is tolerated; -EPERM if the
 * policy forbids what is asked for, or what that takes.
 */
int memfile_request_caps(unsigned long *asked, unsigned long tolerated)
{
	enum memfile_policy movable = READ_ONCE(memfile_movable);
	enum memfile_policy swappable = READ_ONCE(memfile_swappable);
	int ret;

	if (*asked & ~tolerated)
		return -EINVAL;

	/* "always" must not make what "never" would refuse. */
	if (swappable == MEMFILE_ALWAYS && movable == MEMFILE_NEVER)
		swappable = MEMFILE_REQUEST;

	ret = memfile_apply_policy(swappable, MEMFILE_CAP_SWAP, asked, tolerated);
	if (ret)
		return ret;

	if (*asked & MEMFILE_CAP_SWAP)
		*asked |= MEMFILE_CAP_MOVE;

	return memfile_apply_policy(movable, MEMFILE_CAP_MOVE, asked, tolerated);
}
EXPORT_SYMBOL_FOR_MODULES(memfile_request_caps, "kvm");

#ifdef CONFIG_SYSFS
static const char * const memfile_policy_names[] = {
	[MEMFILE_ALWAYS]	= "always",
	[MEMFILE_REQUEST]	= "request",
	[MEMFILE_NEVER]		= "never",
};

static ssize_t memfile_policy_show(enum memfile_policy policy, char *buf)
{
	int i, len = 0;

	for (i = 0; i < ARRAY_SIZE(memfile_policy_names); i++)
		len += sysfs_emit_at(buf, len, i == policy ? "[%s] " : "%s ",
				     memfile_policy_names[i]);

	/* The last blank ends the line. */
	buf[len - 1] = '\n';
	return len;
}

static ssize_t memfile_policy_store(enum memfile_policy *policy,
				    const char *buf, size_t count)
{
	int new = sysfs_match_string(memfile_policy_names, buf);

	if (new < 0)
		return new;

	WRITE_ONCE(*policy, new);
	return count;
}

#define MEMFILE_POLICY_ATTR(_name)					\
static ssize_t _name##_show(struct kobject *kobj,			\
			    struct kobj_attribute *attr, char *buf)	\
{									\
	return memfile_policy_show(READ_ONCE(memfile_##_name), buf);	\
}									\
									\
static ssize_t _name##_store(struct kobject *kobj,			\
			     struct kobj_attribute *attr,		\
			     const char *buf, size_t count)		\
{									\
	return memfile_policy_store(&memfile_##_name, buf, count);	\
}									\
static struct kobj_attribute _name##_attr = __ATTR_RW(_name)

MEMFILE_POLICY_ATTR(movable);
MEMFILE_POLICY_ATTR(swappable);

static struct attribute *memfile_attrs[] = {
	&movable_attr.attr,
	&swappable_attr.attr,
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
