#include "textflag.h"

DATA	nofork<>+0(SB)/8, $"larder-h"
DATA	nofork<>+8(SB)/8, $"ook: no "
DATA	nofork<>+16(SB)/8, $"process "
DATA	nofork<>+24(SB)/8, $"can be m"
DATA	nofork<>+32(SB)/4, $"ade\n"
GLOBL	nofork<>(SB), NOPTR|RODATA, $36

// The entry of the program: see guard.go. On the stack: argc, argv, 0, environment, 0.
TEXT larder_guard(SB),NOSPLIT|NOFRAME,$0
	// clone(CLONE_VFORK|CLONE_VM|SIGCHLD): the child has our memory, and we sleep until it ends.
	MOVL	$0x4111, DI
	XORL	SI, SI
	XORL	DX, DX
	XORL	R10, R10
	XORL	R8, R8
	MOVL	$56, AX
	SYSCALL
	TESTQ	AX, AX
	JEQ	child
	JLT	none

	MOVQ	AX, R12
wait:	// wait4(child, NULL, 0, NULL)
	MOVQ	R12, DI
	XORL	SI, SI
	XORL	DX, DX
	XORL	R10, R10
	MOVL	$61, AX
	SYSCALL
	CMPQ	AX, $-4			// EINTR
	JEQ	wait
	MOVL	main·verdict(SB), DI
	SUBL	$1, DI
	JGE	exit
	JMP	undecided

none:	// write(2, nofork)
	MOVL	$2, DI
	LEAQ	nofork<>(SB), SI
	MOVL	$36, DX
	MOVL	$1, AX
	SYSCALL

undecided:	// 1 with --required among the arguments, else 0
	XORL	DI, DI
	LEAQ	8(SP), BX
	MOVQ	$0x6465726975716572, CX	// "required"
next:
	MOVQ	(BX), AX
	ADDQ	$8, BX
	TESTQ	AX, AX
	JEQ	exit
	CMPB	(AX), $'-'
	JNE	next
	INCQ	AX
	CMPB	(AX), $'-'
	JNE	name
	INCQ	AX
name:	// Eight bytes can be read of every argument: above them lie the program's name and a word of 0.
	CMPQ	CX, (AX)
	JNE	next
	CMPB	8(AX), $0
	JNE	next
	MOVL	$1, DI

exit:	// exit_group
	MOVL	$231, AX
	SYSCALL
	INT	$3

child:	// prctl(PR_SET_PDEATHSIG, SIGKILL): a runtime that kills its hook kills the parent
	MOVL	$1, DI
	MOVL	$9, SI
	MOVL	$157, AX
	SYSCALL
	JMP	_rt0_amd64_linux(SB)
