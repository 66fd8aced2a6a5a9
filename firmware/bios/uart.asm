; The serial port, a 16550: 115200 baud, 8 data bits, no parity, one stop bit. It is where text goes.

COM1                equ 0x3f8
UART_DIVISOR_LOW    equ COM1
UART_DIVISOR_HIGH   equ COM1 + 1
UART_FIFO           equ COM1 + 2
UART_LINE_CONTROL   equ COM1 + 3
UART_MODEM_CONTROL  equ COM1 + 4
UART_LINE_STATUS    equ COM1 + 5
LINE_8N1            equ 0x03
LINE_DIVISOR_LATCH  equ 0x80
STATUS_CAN_SEND     equ 0x20

%macro outport 2
            mov     dx, %1
            mov     al, %2
            out     dx, al
%endmacro

uart_init:
            outport UART_LINE_CONTROL, LINE_DIVISOR_LATCH
            outport UART_DIVISOR_LOW, 1
            outport UART_DIVISOR_HIGH, 0
            outport UART_LINE_CONTROL, LINE_8N1
            outport UART_FIFO, 1
            outport UART_MODEM_CONTROL, 3
            ret

; Sends AL.
uart_send:
            push    dx
            push    ax
            mov     dx, UART_LINE_STATUS
.busy:
            in      al, dx
            test    al, STATUS_CAN_SEND
            jz      .busy
            pop     ax
            mov     dx, COM1
            out     dx, al
            pop     dx
            ret

; Prints the text at CS:SI up to its zero byte, through INT 10h as any program would.
print:
            push    ax
            push    bx
            xor     bx, bx
.next:
            cs lodsb
            test    al, al
            jz      .done
            mov     ah, 0x0e
            int     0x10
            jmp     .next
.done:
            pop     bx
            pop     ax
            ret

; Prints EAX as a hexadecimal number without zeros before it. Changes EAX, BX, CX, EDX.
print_hex:
            mov     edx, eax
            mov     cx, 8
            xor     bx, bx                  ; not 0 once a digit was not 0
.digit:
            rol     edx, 4
            mov     al, dl
            and     al, 0x0f
            or      bl, al
            jnz     .send
            cmp     cx, 1
            jne     .skip
.send:
            cmp     al, 10
            jb      .decimal
            add     al, 'a' - '0' - 10
.decimal:
            add     al, '0'
            mov     ah, 0x0e
            push    bx
            xor     bx, bx
            int     0x10
            pop     bx
.skip:
            loop    .digit
            ret
