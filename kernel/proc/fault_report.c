/*
 * The report of a fault that ends a program: what it was, where it was, the instruction's bytes and
 * the words on the stack.
 *
 * The code is pinned as for I/O: a page of the program that is not there is read in. Of the stack
 * only what is there is shown, by its physical address: a report faults in no memory.
 */
#include "proc/fault_report.h"

#include "abi/signal.h"
#include "context.h"
#include "klog.h"
#include "lib/fmt.h"
#include "mm/mdl.h"
#include "mm/paging.h"
#include "mm/physmap.h"
#include "proc/process.h"

#define CODE_BYTES  16
#define STACK_WORDS 8

int fault_report_wanted;

static const char *fault_name(int signo)
{
	switch (signo) {
	case SIGSEGV:
		return "segfault";
	case SIGBUS:
		return "bus error";
	case SIGFPE:
		return "arithmetic error";
	case SIGILL:
		return "invalid instruction";
	default:
		return "trap";
	}
}

static void report_code(struct mm_context *ctx, vaddr_t pc)
{
	char text[CODE_BYTES * 3 + 1] = "";
	uint8_t byte;
	size_t n = 0;
	mdl_t mdl;

	if (mdl_from_region(&mdl, NULL, ctx, pc, CODE_BYTES, false)) {
		klog_info("code at %#lx: not there", pc);
		return;
	}
	MDL_FOR_EACH (&byte, &mdl)
		n += (size_t)fmt_snprintf(text + n, sizeof(text) - n, " %02x", byte);
	mdl_deinit(&mdl);
	klog_info("code at %#lx:%s", pc, text);
}

/* The word at va if memory of ours is there. => mm_lock */
static bool stack_word_locked(struct mm_context *ctx, vaddr_t va, uint64_t *word)
{
	paddr_t pa;

	if (mm_get_phys_addr_locked(ctx, va, &pa) || !page_is_ram(pa >> PAGE_SHIFT))
		return false;
	*word = *(const uint64_t *)phys_to_virt(pa);
	return true;
}

static void report_stack(struct mm_context *ctx, vaddr_t sp)
{
	char text[STACK_WORDS * 17 + 1] = "";
	vaddr_t at = ALIGN_DOWN(sp, sizeof(uint64_t));
	uint64_t word;
	paddr_t pa;
	size_t n = 0;

	if (mm_get_phys_addr(ctx, at, &pa)) {
		klog_info("stack at %#lx: not there", sp);
		return;
	}
	rw_read_lock(&ctx->mm_lock);
	for (unsigned i = 0; i < STACK_WORDS; i++, at += sizeof(word)) {
		if (!stack_word_locked(ctx, at, &word))
			break;
		n += (size_t)fmt_snprintf(
			text + n, sizeof(text) - n, " %llx", (unsigned long long)word);
	}
	rw_read_unlock(&ctx->mm_lock);
	klog_info("stack at %#lx (frame %#lx):%s", sp, pa >> PAGE_SHIFT, text);
}

static const char *address_state(struct mm_context *ctx, uaddr_t addr)
{
	const char *state = "not mapped";

	if (addr >= USER_MAX)
		return state;
	rw_read_lock(&ctx->mm_lock);
	if (mm_get_is_present_locked(ctx, addr))
		state = "mapped, present";
	else if (mm_get_is_mapped_locked(ctx, addr))
		state = "mapped, not present";
	rw_read_unlock(&ctx->mm_lock);
	return state;
}

void fault_report(struct task *task, const struct user_regs *regs, int signo, uaddr_t addr)
{
	struct process *p = task->process;

	klog_info("%s[%d]: %s at %#lx (%s) ip %#lx sp %#lx", p->comm, task->node.nr,
		fault_name(signo), addr, address_state(task->thread->ctx, addr), regs_pc(regs),
		regs_sp(regs));
	report_code(task->thread->ctx, regs_pc(regs));
	report_stack(task->thread->ctx, regs_sp(regs));
}
