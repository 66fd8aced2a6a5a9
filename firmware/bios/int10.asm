; INT 10h, video: AH=0Eh, teletype output of AL, goes to the serial port. There is no screen: all else is ignored.

int10:
            cmp     ah, 0x0e
            jne     .ignore
            call    uart_send
.ignore:
            iret
