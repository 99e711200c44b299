/*
 * User memory for host tests: USER_PAGES pages at USER_BASE; everything else faults. A page may be
 * absent: then the nofault copies stop at it until a plain access or user_fault_in brought it in.
 */
#ifndef USER_MEM_H
#define USER_MEM_H

#include "usercopy.h"

#define USER_BASE  0x400000ul
#define USER_PAGES 64u

extern uint8_t host_user[USER_PAGES * PAGE_SIZE];
extern bool host_user_absent[USER_PAGES];

#endif
