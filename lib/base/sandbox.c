#include "lib/base/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Landlock, by its numbers: the headers of the system may be older than its kernel. */

enum { CREATE_VERSION = 1, RULE_PATH_BENEATH = 1, LEAST_VERSION = 2 };

enum {
	MAY_EXECUTE = 1 << 0, MAY_WRITE_FILE = 1 << 1, MAY_READ_FILE = 1 << 2, MAY_READ_DIR = 1 << 3, MAY_REMOVE_DIR = 1 << 4,
	MAY_REMOVE_FILE = 1 << 5, MAY_MAKE_CHAR = 1 << 6, MAY_MAKE_DIR = 1 << 7, MAY_MAKE_REG = 1 << 8,
	MAY_MAKE_SOCK = 1 << 9, MAY_MAKE_FIFO = 1 << 10, MAY_MAKE_BLOCK = 1 << 11, MAY_MAKE_SYM = 1 << 12,
	MAY_REFER = 1 << 13, MAY_TRUNCATE = 1 << 14,
	ALL_OF_2 = (1 << 14) - 1, ALL_OF_3 = (1 << 15) - 1,
	OF_FILES = MAY_WRITE_FILE | MAY_READ_FILE | MAY_TRUNCATE,
	READING = MAY_READ_FILE | MAY_READ_DIR,
	WRITING = READING | MAY_WRITE_FILE | MAY_REMOVE_DIR | MAY_REMOVE_FILE | MAY_MAKE_DIR | MAY_MAKE_REG | MAY_MAKE_SOCK |
	    MAY_MAKE_FIFO | MAY_REFER | MAY_TRUNCATE,
};

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif

struct ruleset { uint64_t files; };
struct path_rule { uint64_t allowed; int32_t folder; } __attribute__((packed));

static void
add_path(int ruleset, const struct sandbox_rule *rule, uint64_t handled)
{
	struct path_rule path = { .folder = open(rule->path, O_PATH | O_CLOEXEC) };
	struct stat st;

	if (path.folder < 0)
		return;		/* what is not there can be opened by nobody */
	path.allowed = (rule->right == SANDBOX_WRITE ? WRITING : READING) & handled;
	if (fstat(path.folder, &st) == 0 && !S_ISDIR(st.st_mode))
		path.allowed &= OF_FILES;
	syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &path, 0);
	close(path.folder);
}

static void
enter_landlock(const struct sandbox *sandbox, struct str *said)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_VERSION);
	struct ruleset all = { .files = version >= 3 ? ALL_OF_3 : ALL_OF_2 };

	if (version < LEAST_VERSION) {
		str_printf(said, "landlock=no (%s)", version < 0 ? strerror(errno) : "the kernel's is too old");
		return;
	}
	int ruleset = (int)syscall(SYS_landlock_create_ruleset, &all, sizeof all, 0);
	for (size_t i = 0; i < sandbox->rules && ruleset >= 0; i++)
		add_path(ruleset, &sandbox->rule[i], all.files);
	if (ruleset < 0 || syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		str_printf(said, "landlock=no (%s)", strerror(errno));
	else
		str_printf(said, "landlock=%ld", version);
	if (ruleset >= 0)
		close(ruleset);
}

/* seccomp: a list of what is refused, as what libraries call is not for us to know */

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCHITECTURE AUDIT_ARCH_RISCV64
#endif

/* A sanitizer's last words need ptrace and processes of its own. */
#if defined(__SANITIZE_ADDRESS__)
#undef ARCHITECTURE
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#undef ARCHITECTURE
#endif
#endif

#if defined(__SANITIZE_ADDRESS__)
/* A file of them could not be read any more.  libssh2 1.10 forgets 51 bytes in each exchange of
 * keys, and two numbers of an ECDSA key. */
const char *__lsan_default_suppressions(void);
const char *
__lsan_default_suppressions(void)
{
	return "leak:libssh2.so\n";
}
#endif

#ifdef ARCHITECTURE

static const int refused[] = {
	SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_kcmp, SYS_perf_event_open, SYS_bpf, SYS_userfaultfd,
	SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot, SYS_swapon, SYS_swapoff, SYS_quotactl, SYS_acct,
	SYS_open_tree, SYS_move_mount, SYS_fsopen, SYS_fsconfig, SYS_fsmount, SYS_fspick, 442 /* mount_setattr */,
	SYS_name_to_handle_at, SYS_open_by_handle_at,
	SYS_setuid, SYS_setgid, SYS_setreuid, SYS_setregid, SYS_setresuid, SYS_setresgid, SYS_setfsuid, SYS_setfsgid,
	SYS_setgroups, SYS_capset,
	SYS_unshare, SYS_setns, SYS_init_module, SYS_finit_module, SYS_delete_module, SYS_kexec_load, SYS_reboot,
	SYS_settimeofday, SYS_clock_settime, SYS_adjtimex, SYS_clock_adjtime, SYS_sethostname, SYS_setdomainname, SYS_syslog,
	SYS_add_key, SYS_request_key, SYS_keyctl, SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register,
	SYS_personality, SYS_vhangup, SYS_lookup_dcookie, SYS_nfsservctl, SYS_mbind, SYS_migrate_pages, SYS_move_pages,
#ifdef SYS_iopl
	SYS_iopl, SYS_ioperm, SYS_modify_ldt, SYS_uselib, SYS_ustat, SYS_sysfs, SYS_create_module,
#endif
#ifdef SYS_kexec_file_load
	SYS_kexec_file_load,
#endif
};

static const int programs[] = {
	SYS_execve, SYS_execveat,
#ifdef SYS_fork
	SYS_fork, SYS_vfork,
#endif
};

enum { REFUSE = SECCOMP_RET_ERRNO | EPERM, UNKNOWN = SECCOMP_RET_ERRNO | ENOSYS, FILTER_MAX = 400 };

struct filter {
	struct sock_filter line[FILTER_MAX];
	unsigned short lines;
};

static void
add(struct filter *filter, struct sock_filter line)
{
	filter->line[filter->lines++] = line;
}

static void
load_word(struct filter *filter, size_t offset)
{
	add(filter, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset));
}

/* When what is loaded is this: the answer. */
static void
answer(struct filter *filter, uint32_t number, uint32_t words)
{
	add(filter, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1));
	add(filter, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, words));
}

/* A thread, for names that are looked up, may be made, a process may not.  clone3 hides its
 * flags: the C library goes back to clone when there is none. */
static void
only_threads(struct filter *filter)
{
	answer(filter, 435 /* clone3 */, UNKNOWN);
	add(filter, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 3));
	load_word(filter, offsetof(struct seccomp_data, args[0]));
	add(filter, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 1, 0));
	add(filter, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, REFUSE));
	load_word(filter, offsetof(struct seccomp_data, nr));
}

static void
fill(struct filter *filter, bool may_start)
{
	load_word(filter, offsetof(struct seccomp_data, arch));
	add(filter, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0));
	add(filter, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, REFUSE));
	load_word(filter, offsetof(struct seccomp_data, nr));
#if defined(__x86_64__)
	/* Another numbering of the same calls. */
	add(filter, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1));
	add(filter, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, REFUSE));
#endif
	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
		answer(filter, (uint32_t)refused[i], REFUSE);
	if (!may_start) {
		for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++)
			answer(filter, (uint32_t)programs[i], REFUSE);
		only_threads(filter);
	}
	add(filter, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
}

static void
enter_seccomp(const struct sandbox *sandbox, struct str *said)
{
	struct filter filter = {0};

	fill(&filter, sandbox->programs);
	const struct sock_fprog program = { .len = filter.lines, .filter = filter.line };
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		str_printf(said, " seccomp=no (%s)", strerror(errno));
	else
		str_add_text(said, " seccomp=yes");
}

#else

static void
enter_seccomp(const struct sandbox *sandbox, struct str *said)
{
	(void)sandbox;
	str_add_text(said, " seccomp=no (not for this build)");
}

#endif

void
sandbox_may(struct sandbox *sandbox, const char *path, enum sandbox_right right)
{
	sandbox->rule = mem_resize(sandbox->rule, sandbox->rules + 1, sizeof *sandbox->rule);
	sandbox->rule[sandbox->rules++] = (struct sandbox_rule){ mem_text(path), right };
}

void
sandbox_may_libraries(struct sandbox *sandbox)
{
	static const char *const folders[] = {
		"/etc", "/usr", "/lib", "/lib32", "/lib64", "/proc", "/sys/devices/system", "/run/systemd", "/run/resolvconf",
		"/run/nscd", "/var/lib/ca-certificates", "/nix/store", "/gnu/store",
	};
	static const char *const devices[] = { "/dev/null", "/dev/zero", "/dev/random", "/dev/urandom", "/dev/tty" };

	for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
		sandbox_may(sandbox, folders[i], SANDBOX_READ);
	for (size_t i = 0; i < sizeof devices / sizeof devices[0]; i++)
		sandbox_may(sandbox, devices[i], SANDBOX_WRITE);
}

void
sandbox_enter(const struct sandbox *sandbox, struct str *said)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
		str_printf(said, "landlock=no seccomp=no (%s)", strerror(errno));
		return;
	}
	enter_landlock(sandbox, said);
	enter_seccomp(sandbox, said);
}

void
sandbox_free(struct sandbox *sandbox)
{
	for (size_t i = 0; i < sandbox->rules; i++)
		free(sandbox->rule[i].path);
	free(sandbox->rule);
	*sandbox = (struct sandbox){0};
}
