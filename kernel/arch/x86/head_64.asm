; The kernel's machine code, all of it: where the boot stage enters in long mode (Linux: arch/x86/kernel/head_64.S).
; It takes a stack of its own and halts with RSI still at boot_params; from there the kernel runs in TypeScript.
; Position independent: the loader decides where it lies.

            bits    64
            default rel

STACK_SIZE  equ 4096

startup_64:
            cli
            lea     rsp, [stack_end]
.idle:
            hlt
            jmp     .idle

            align   16
            times   STACK_SIZE db 0
stack_end:
