// swift-format-ignore-file
/// What Linux 6.12.117 did with its test driver's device `fw1` (golden/fw1.*.jsonl): cases that root did with calls
/// that this test can repeat, a line a call: call, file, arguments, result, errno, text; tabs between, JSON escapes.
/// A snap has status, error, remaining_size, loading and the length of data.
let recordedTrace = #"""
  case	read.status
  open	status	O_RDONLY	0	OK	
  read	status	4096	5	OK	idle\n
  read	status	4096	0	OK	
  lseek	status	0 SEEK_CUR	5	OK	
  lseek	status	0 SEEK_SET	0	OK	
  read	status	0	0	OK	
  read	status	1	1	OK	i
  read	status	1	1	OK	d
  read	status	1	1	OK	l
  read	status	1	1	OK	e
  read	status	1	1	OK	\n
  read	status	1	0	OK	
  read	status	1	0	OK	
  lseek	status	0 SEEK_SET	0	OK	
  read	status	3	3	OK	idl
  read	status	100	2	OK	e\n
  lseek	status	2 SEEK_SET	2	OK	
  read	status	100	3	OK	le\n
  lseek	status	-2 SEEK_CUR	3	OK	
  read	status	100	2	OK	e\n
  lseek	status	0 SEEK_END	4096	OK	
  read	status	10	0	OK	
  lseek	status	-1 SEEK_END	4095	OK	
  read	status	10	0	OK	
  lseek	status	100000 SEEK_SET	100000	OK	
  read	status	10	0	OK	
  lseek	status	-1 SEEK_SET	-1	EINVAL	
  lseek	status	0 SEEK_DATA	0	OK	
  lseek	status	0 SEEK_HOLE	4096	OK	
  lseek	status	5000 SEEK_DATA	-1	ENXIO	
  lseek	status	9223372036854775807 SEEK_SET	-1	EINVAL	
  read	status	10	0	OK	
  lseek	status	0 SEEK_SET	0	OK	
  pread	status	100 @0	5	OK	idle\n
  pread	status	100 @1	4	OK	dle\n
  pread	status	2 @2	2	OK	le
  pread	status	100 @4095	0	OK	
  pread	status	100 @4096	0	OK	
  pread	status	100 @100000	0	OK	
  pread	status	100 @9223372036854775552	0	OK	
  pread	status	100 @-1	-1	EINVAL	
  lseek	status	0 SEEK_CUR	0	OK	
  lseek	status	0 SEEK_CUR	0	OK	
  lseek	status	0 SEEK_SET	0	OK	
  read	status	2	2	OK	id
  read	status(dup)	2	2	OK	le
  read	status	1	1	OK	\n
  read	status(fd2)	2	2	OK	id
  read	status	1	0	OK	
  read	status(fd2)	100	3	OK	le\n
  lseek	status	0 SEEK_SET	0	OK	
  read	status	1048576	5	OK	idle\n
  close	status		0	OK	
  case	read.error
  open	error	O_RDONLY	0	OK	
  read	error	4096	0	OK	
  read	error	4096	0	OK	
  lseek	error	0 SEEK_CUR	0	OK	
  lseek	error	0 SEEK_SET	0	OK	
  read	error	0	0	OK	
  read	error	1	0	OK	
  read	error	1	0	OK	
  lseek	error	0 SEEK_SET	0	OK	
  read	error	3	0	OK	
  read	error	100	0	OK	
  lseek	error	2 SEEK_SET	2	OK	
  read	error	100	0	OK	
  lseek	error	-2 SEEK_CUR	0	OK	
  read	error	100	0	OK	
  lseek	error	0 SEEK_END	4096	OK	
  read	error	10	0	OK	
  lseek	error	-1 SEEK_END	4095	OK	
  read	error	10	0	OK	
  lseek	error	100000 SEEK_SET	100000	OK	
  read	error	10	0	OK	
  lseek	error	-1 SEEK_SET	-1	EINVAL	
  lseek	error	0 SEEK_DATA	0	OK	
  lseek	error	0 SEEK_HOLE	4096	OK	
  lseek	error	5000 SEEK_DATA	-1	ENXIO	
  lseek	error	9223372036854775807 SEEK_SET	-1	EINVAL	
  read	error	10	0	OK	
  lseek	error	0 SEEK_SET	0	OK	
  pread	error	100 @0	0	OK	
  pread	error	100 @1	0	OK	
  pread	error	2 @2	0	OK	
  pread	error	100 @4095	0	OK	
  pread	error	100 @4096	0	OK	
  pread	error	100 @100000	0	OK	
  pread	error	100 @9223372036854775552	0	OK	
  pread	error	100 @-1	-1	EINVAL	
  lseek	error	0 SEEK_CUR	0	OK	
  lseek	error	0 SEEK_CUR	0	OK	
  lseek	error	0 SEEK_SET	0	OK	
  read	error	2	0	OK	
  read	error(dup)	2	0	OK	
  read	error	1	0	OK	
  read	error(fd2)	2	0	OK	
  read	error	1	0	OK	
  read	error(fd2)	100	0	OK	
  lseek	error	0 SEEK_SET	0	OK	
  read	error	1048576	0	OK	
  close	error		0	OK	
  case	read.remaining_size
  open	remaining_size	O_RDONLY	0	OK	
  read	remaining_size	4096	2	OK	0\n
  read	remaining_size	4096	0	OK	
  lseek	remaining_size	0 SEEK_CUR	2	OK	
  lseek	remaining_size	0 SEEK_SET	0	OK	
  read	remaining_size	0	0	OK	
  read	remaining_size	1	1	OK	0
  read	remaining_size	1	1	OK	\n
  read	remaining_size	1	0	OK	
  read	remaining_size	1	0	OK	
  lseek	remaining_size	0 SEEK_SET	0	OK	
  read	remaining_size	3	2	OK	0\n
  read	remaining_size	100	0	OK	
  lseek	remaining_size	2 SEEK_SET	2	OK	
  read	remaining_size	100	0	OK	
  lseek	remaining_size	-2 SEEK_CUR	0	OK	
  read	remaining_size	100	2	OK	0\n
  lseek	remaining_size	0 SEEK_END	4096	OK	
  read	remaining_size	10	0	OK	
  lseek	remaining_size	-1 SEEK_END	4095	OK	
  read	remaining_size	10	0	OK	
  lseek	remaining_size	100000 SEEK_SET	100000	OK	
  read	remaining_size	10	0	OK	
  lseek	remaining_size	-1 SEEK_SET	-1	EINVAL	
  lseek	remaining_size	0 SEEK_DATA	0	OK	
  lseek	remaining_size	0 SEEK_HOLE	4096	OK	
  lseek	remaining_size	5000 SEEK_DATA	-1	ENXIO	
  lseek	remaining_size	9223372036854775807 SEEK_SET	-1	EINVAL	
  read	remaining_size	10	0	OK	
  lseek	remaining_size	0 SEEK_SET	0	OK	
  pread	remaining_size	100 @0	2	OK	0\n
  pread	remaining_size	100 @1	1	OK	\n
  pread	remaining_size	2 @2	0	OK	
  pread	remaining_size	100 @4095	0	OK	
  pread	remaining_size	100 @4096	0	OK	
  pread	remaining_size	100 @100000	0	OK	
  pread	remaining_size	100 @9223372036854775552	0	OK	
  pread	remaining_size	100 @-1	-1	EINVAL	
  lseek	remaining_size	0 SEEK_CUR	0	OK	
  lseek	remaining_size	0 SEEK_CUR	0	OK	
  lseek	remaining_size	0 SEEK_SET	0	OK	
  read	remaining_size	2	2	OK	0\n
  read	remaining_size(dup)	2	0	OK	
  read	remaining_size	1	0	OK	
  read	remaining_size(fd2)	2	2	OK	0\n
  read	remaining_size	1	0	OK	
  read	remaining_size(fd2)	100	0	OK	
  lseek	remaining_size	0 SEEK_SET	0	OK	
  read	remaining_size	1048576	2	OK	0\n
  close	remaining_size		0	OK	
  case	read.loading
  open	loading	O_RDONLY	0	OK	
  read	loading	4096	2	OK	0\n
  read	loading	4096	0	OK	
  lseek	loading	0 SEEK_CUR	2	OK	
  lseek	loading	0 SEEK_SET	0	OK	
  read	loading	0	0	OK	
  read	loading	1	1	OK	0
  read	loading	1	1	OK	\n
  read	loading	1	0	OK	
  read	loading	1	0	OK	
  lseek	loading	0 SEEK_SET	0	OK	
  read	loading	3	2	OK	0\n
  read	loading	100	0	OK	
  lseek	loading	2 SEEK_SET	2	OK	
  read	loading	100	0	OK	
  lseek	loading	-2 SEEK_CUR	0	OK	
  read	loading	100	2	OK	0\n
  lseek	loading	0 SEEK_END	4096	OK	
  read	loading	10	0	OK	
  lseek	loading	-1 SEEK_END	4095	OK	
  read	loading	10	0	OK	
  lseek	loading	100000 SEEK_SET	100000	OK	
  read	loading	10	0	OK	
  lseek	loading	-1 SEEK_SET	-1	EINVAL	
  lseek	loading	0 SEEK_DATA	0	OK	
  lseek	loading	0 SEEK_HOLE	4096	OK	
  lseek	loading	5000 SEEK_DATA	-1	ENXIO	
  lseek	loading	9223372036854775807 SEEK_SET	-1	EINVAL	
  read	loading	10	0	OK	
  lseek	loading	0 SEEK_SET	0	OK	
  pread	loading	100 @0	2	OK	0\n
  pread	loading	100 @1	1	OK	\n
  pread	loading	2 @2	0	OK	
  pread	loading	100 @4095	0	OK	
  pread	loading	100 @4096	0	OK	
  pread	loading	100 @100000	0	OK	
  pread	loading	100 @9223372036854775552	0	OK	
  pread	loading	100 @-1	-1	EINVAL	
  lseek	loading	0 SEEK_CUR	0	OK	
  lseek	loading	0 SEEK_CUR	0	OK	
  lseek	loading	0 SEEK_SET	0	OK	
  read	loading	2	2	OK	0\n
  read	loading(dup)	2	0	OK	
  read	loading	1	0	OK	
  read	loading(fd2)	2	2	OK	0\n
  read	loading	1	0	OK	
  read	loading(fd2)	100	0	OK	
  lseek	loading	0 SEEK_SET	0	OK	
  read	loading	1048576	2	OK	0\n
  close	loading		0	OK	
  case	read.cancel
  open	cancel	O_RDONLY	-1	EACCES	
  case	read.data
  open	data	O_RDONLY	0	OK	
  read	data	4096	0	OK	
  read	data	4096	0	OK	
  lseek	data	0 SEEK_CUR	0	OK	
  lseek	data	0 SEEK_SET	0	OK	
  read	data	0	0	OK	
  read	data	1	0	OK	
  read	data	1	0	OK	
  lseek	data	0 SEEK_SET	0	OK	
  read	data	3	0	OK	
  read	data	100	0	OK	
  lseek	data	2 SEEK_SET	2	OK	
  read	data	100	0	OK	
  lseek	data	-2 SEEK_CUR	0	OK	
  read	data	100	0	OK	
  lseek	data	0 SEEK_END	0	OK	
  read	data	10	0	OK	
  lseek	data	-1 SEEK_END	-1	EINVAL	
  read	data	10	0	OK	
  lseek	data	100000 SEEK_SET	100000	OK	
  read	data	10	0	OK	
  lseek	data	-1 SEEK_SET	-1	EINVAL	
  lseek	data	0 SEEK_DATA	-1	ENXIO	
  lseek	data	0 SEEK_HOLE	-1	ENXIO	
  lseek	data	5000 SEEK_DATA	-1	ENXIO	
  lseek	data	9223372036854775807 SEEK_SET	-1	EINVAL	
  read	data	10	0	OK	
  lseek	data	0 SEEK_SET	0	OK	
  pread	data	100 @0	0	OK	
  pread	data	100 @1	0	OK	
  pread	data	2 @2	0	OK	
  pread	data	100 @4095	0	OK	
  pread	data	100 @4096	0	OK	
  pread	data	100 @100000	0	OK	
  pread	data	100 @9223372036854775552	0	OK	
  pread	data	100 @-1	-1	EINVAL	
  lseek	data	0 SEEK_CUR	0	OK	
  lseek	data	0 SEEK_CUR	0	OK	
  lseek	data	0 SEEK_SET	0	OK	
  read	data	2	0	OK	
  read	data(dup)	2	0	OK	
  read	data	1	0	OK	
  read	data(fd2)	2	0	OK	
  read	data	1	0	OK	
  read	data(fd2)	100	0	OK	
  lseek	data	0 SEEK_SET	0	OK	
  read	data	1048576	0	OK	
  close	data		0	OK	
  case	read.uevent
  open	uevent	O_RDONLY	0	OK	
  read	uevent	4096	32	OK	FIRMWARE=fw1\nTIMEOUT=60\nASYNC=0\n
  read	uevent	4096	0	OK	
  lseek	uevent	0 SEEK_CUR	32	OK	
  lseek	uevent	0 SEEK_SET	0	OK	
  read	uevent	0	0	OK	
  read	uevent	1	1	OK	F
  read	uevent	1	1	OK	I
  read	uevent	1	1	OK	R
  read	uevent	1	1	OK	M
  read	uevent	1	1	OK	W
  read	uevent	1	1	OK	A
  read	uevent	1	1	OK	R
  read	uevent	1	1	OK	E
  read	uevent	1	1	OK	=
  read	uevent	1	1	OK	f
  read	uevent	1	1	OK	w
  read	uevent	1	1	OK	1
  read	uevent	1	1	OK	\n
  lseek	uevent	0 SEEK_SET	0	OK	
  read	uevent	3	3	OK	FIR
  read	uevent	100	29	OK	MWARE=fw1\nTIMEOUT=60\nASYNC=0\n
  lseek	uevent	2 SEEK_SET	2	OK	
  read	uevent	100	30	OK	RMWARE=fw1\nTIMEOUT=60\nASYNC=0\n
  lseek	uevent	-2 SEEK_CUR	30	OK	
  read	uevent	100	2	OK	0\n
  lseek	uevent	0 SEEK_END	4096	OK	
  read	uevent	10	0	OK	
  lseek	uevent	-1 SEEK_END	4095	OK	
  read	uevent	10	0	OK	
  lseek	uevent	100000 SEEK_SET	100000	OK	
  read	uevent	10	0	OK	
  lseek	uevent	-1 SEEK_SET	-1	EINVAL	
  lseek	uevent	0 SEEK_DATA	0	OK	
  lseek	uevent	0 SEEK_HOLE	4096	OK	
  lseek	uevent	5000 SEEK_DATA	-1	ENXIO	
  lseek	uevent	9223372036854775807 SEEK_SET	-1	EINVAL	
  read	uevent	10	0	OK	
  lseek	uevent	0 SEEK_SET	0	OK	
  pread	uevent	100 @0	32	OK	FIRMWARE=fw1\nTIMEOUT=60\nASYNC=0\n
  pread	uevent	100 @1	31	OK	IRMWARE=fw1\nTIMEOUT=60\nASYNC=0\n
  pread	uevent	2 @2	2	OK	RM
  pread	uevent	100 @4095	0	OK	
  pread	uevent	100 @4096	0	OK	
  pread	uevent	100 @100000	0	OK	
  pread	uevent	100 @9223372036854775552	0	OK	
  pread	uevent	100 @-1	-1	EINVAL	
  lseek	uevent	0 SEEK_CUR	0	OK	
  lseek	uevent	0 SEEK_CUR	0	OK	
  lseek	uevent	0 SEEK_SET	0	OK	
  read	uevent	2	2	OK	FI
  read	uevent(dup)	2	2	OK	RM
  read	uevent	1	1	OK	W
  read	uevent(fd2)	2	2	OK	FI
  read	uevent	1	1	OK	A
  read	uevent(fd2)	100	30	OK	RMWARE=fw1\nTIMEOUT=60\nASYNC=0\n
  lseek	uevent	0 SEEK_SET	0	OK	
  read	uevent	1048576	32	OK	FIRMWARE=fw1\nTIMEOUT=60\nASYNC=0\n
  close	uevent		0	OK	
  case	read.data.loaded
  put	loading	'1'	1	OK	
  put	data	'0123456789abcdefghijABCDEFGHIJ----------'	40	OK	
  open	data	O_RDONLY	0	OK	
  read	data	4096	40	OK	0123456789abcdefghijABCDEFGHIJ----------
  read	data	4096	0	OK	
  lseek	data	0 SEEK_CUR	40	OK	
  lseek	data	0 SEEK_SET	0	OK	
  read	data	0	0	OK	
  read	data	1	1	OK	0
  read	data	1	1	OK	1
  read	data	1	1	OK	2
  read	data	1	1	OK	3
  read	data	1	1	OK	4
  read	data	1	1	OK	5
  read	data	1	1	OK	6
  read	data	1	1	OK	7
  read	data	1	1	OK	8
  read	data	1	1	OK	9
  read	data	1	1	OK	a
  read	data	1	1	OK	b
  read	data	1	1	OK	c
  lseek	data	0 SEEK_SET	0	OK	
  read	data	3	3	OK	012
  read	data	100	37	OK	3456789abcdefghijABCDEFGHIJ----------
  lseek	data	2 SEEK_SET	2	OK	
  read	data	100	38	OK	23456789abcdefghijABCDEFGHIJ----------
  lseek	data	-2 SEEK_CUR	38	OK	
  read	data	100	2	OK	--
  lseek	data	0 SEEK_END	0	OK	
  read	data	10	10	OK	0123456789
  lseek	data	-1 SEEK_END	-1	EINVAL	
  read	data	10	10	OK	abcdefghij
  lseek	data	100000 SEEK_SET	100000	OK	
  read	data	10	0	OK	
  lseek	data	-1 SEEK_SET	-1	EINVAL	
  lseek	data	0 SEEK_DATA	-1	ENXIO	
  lseek	data	0 SEEK_HOLE	-1	ENXIO	
  lseek	data	5000 SEEK_DATA	-1	ENXIO	
  lseek	data	9223372036854775807 SEEK_SET	-1	EINVAL	
  read	data	10	0	OK	
  lseek	data	0 SEEK_SET	0	OK	
  pread	data	100 @0	40	OK	0123456789abcdefghijABCDEFGHIJ----------
  pread	data	100 @1	39	OK	123456789abcdefghijABCDEFGHIJ----------
  pread	data	2 @2	2	OK	23
  pread	data	100 @4095	0	OK	
  pread	data	100 @4096	0	OK	
  pread	data	100 @100000	0	OK	
  pread	data	100 @9223372036854775552	0	OK	
  pread	data	100 @-1	-1	EINVAL	
  lseek	data	0 SEEK_CUR	0	OK	
  lseek	data	0 SEEK_CUR	0	OK	
  lseek	data	0 SEEK_SET	0	OK	
  read	data	2	2	OK	01
  read	data(dup)	2	2	OK	23
  read	data	1	1	OK	4
  read	data(fd2)	2	2	OK	01
  read	data	1	1	OK	5
  read	data(fd2)	100	38	OK	23456789abcdefghijABCDEFGHIJ----------
  lseek	data	0 SEEK_SET	0	OK	
  read	data	1048576	40	OK	0123456789abcdefghijABCDEFGHIJ----------
  close	data		0	OK	
  put	loading	'-1'	2	OK	
  case	read.refresh
  open	loading	O_RDONLY	0	OK	
  read	loading	100	2	OK	0\n
  put	loading	'1'	1	OK	
  read	loading	100	0	OK	
  lseek	loading	0 SEEK_CUR	2	OK	
  read	loading	100	0	OK	
  lseek	loading	0 SEEK_SET	0	OK	
  read	loading	100	2	OK	1\n
  put	loading	'-1'	2	OK	
  pread	loading	100 @0	2	OK	0\n
  put	loading	'1'	1	OK	
  pread	loading	100 @1	1	OK	\n
  pread	loading	1 @0	1	OK	1
  lseek	loading	0 SEEK_SET	0	OK	
  read	loading	1	1	OK	1
  put	loading	'-1'	2	OK	
  read	loading	1	1	OK	\n
  lseek	loading	0 SEEK_SET	0	OK	
  read	loading	1	1	OK	0
  put	loading	'1'	1	OK	
  pread	loading	1 @0	1	OK	1
  read	loading	100	1	OK	\n
  close	loading		0	OK	
  case	read.stale
  open	loading	O_RDONLY	0	OK	
  put	loading	'1'	1	OK	
  read	loading	100	2	OK	1\n
  close	loading		0	OK	
  case	read.rdwr.loading
  open	loading	O_RDWR	0	OK	
  read	loading	100	2	OK	0\n
  write	loading	'1'	1	OK	
  lseek	loading	0 SEEK_CUR	3	OK	
  read	loading	100	0	OK	
  lseek	loading	0 SEEK_SET	0	OK	
  read	loading	100	2	OK	1\n
  pwrite	loading	'-1' @0	2	OK	
  pread	loading	100 @0	2	OK	0\n
  close	loading		0	OK	
  open	loading	O_RDWR	0	OK	
  write	loading	'1\n'	2	OK	
  read	loading	100	0	OK	
  pread	loading	100 @0	2	OK	1\n
  close	loading		0	OK	
  put	loading	'-1'	2	OK	
  case	read.wo
  open	loading	O_WRONLY	0	OK	
  read	loading	10	-1	EBADF	
  pread	loading	10 @0	-1	EBADF	
  lseek	loading	0 SEEK_END	4096	OK	
  close	loading		0	OK	
  open	cancel	O_WRONLY	0	OK	
  read	cancel	10	-1	EBADF	
  pread	cancel	10 @0	-1	EBADF	
  lseek	cancel	0 SEEK_END	4096	OK	
  close	cancel		0	OK	
  open	data	O_WRONLY	0	OK	
  read	data	10	-1	EBADF	
  pread	data	10 @0	-1	EBADF	
  lseek	data	0 SEEK_END	0	OK	
  close	data		0	OK	
  open	uevent	O_WRONLY	0	OK	
  read	uevent	10	-1	EBADF	
  pread	uevent	10 @0	-1	EBADF	
  lseek	uevent	0 SEEK_END	4096	OK	
  close	uevent		0	OK	
  case	loading.idle.1
  put	loading	'1'	1	OK	
  get	loading		2	OK	1\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|1\n|0
  case	loading.idle.1nl
  put	loading	'1\n'	2	OK	
  get	loading		2	OK	1\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|1\n|0
  case	loading.idle.sp1
  put	loading	' 1'	2	OK	
  get	loading		2	OK	0\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	loading.idle.tab1
  put	loading	'\t1'	2	OK	
  get	loading		2	OK	0\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	loading.idle.1sp
  put	loading	'1 '	2	OK	
  get	loading		2	OK	1\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|1\n|0
  case	loading.idle.0
  put	loading	'0'	1	OK	
  get	loading		2	OK	0\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	loading.idle.0nl
  put	loading	'0\n'	2	OK	
  get	loading		2	OK	0\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	loading.idle.-1
  put	loading	'-1'	2	OK	
  get	loading		2	OK	0\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	loading.idle.-1nl
  put	loading	'-1\n'	3	OK	
  get	loading		2	OK	0\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	loading.idle.2
  put	loading	'2'	1	OK	
  get	loading		2	OK	0\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	loading.idle.-2
  put	loading	'-2'	2	OK	
  get	loading		2	OK	0\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	loading.idle.abc
  put	loading	'abc'	3	OK	
  get	loading		2	OK	0\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	loading.idle.empty
  put	loading	''	0	OK	
  get	loading		2	OK	0\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	loading.idle.nl
  put	loading	'\n'	1	OK	
  get	loading		2	OK	0\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	loading.idle.01
  put	loading	'01'	2	OK	
  get	loading		2	OK	1\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|1\n|0
  case	loading.idle.0x1
  put	loading	'0x1'	3	OK	
  get	loading		2	OK	0\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	loading.idle.1junk
  put	loading	'1junk'	5	OK	
  get	loading		2	OK	1\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|1\n|0
  case	loading.idle.+1
  put	loading	'+1'	2	OK	
  get	loading		2	OK	0\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	loading.idle.sp-1
  put	loading	' -1'	3	OK	
  get	loading		2	OK	0\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	loading.idle.minus_sp_1
  put	loading	'- 1'	3	OK	
  get	loading		2	OK	0\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	loading.idle.--1
  put	loading	'--1'	3	OK	
  get	loading		2	OK	0\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	loading.idle.-0
  put	loading	'-0'	2	OK	
  get	loading		2	OK	0\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	loading.idle.1.0
  put	loading	'1.0'	3	OK	
  get	loading		2	OK	1\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|1\n|0
  case	loading.idle.10
  put	loading	'10'	2	OK	
  get	loading		2	OK	0\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	loading.idle.1nl0nl
  put	loading	'1\n0\n'	4	OK	
  get	loading		2	OK	1\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|1\n|0
  case	loading.idle.2p32+1
  put	loading	'4294967297'	10	OK	
  get	loading		2	OK	1\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|1\n|0
  case	loading.idle.2p32
  put	loading	'4294967296'	10	OK	
  get	loading		2	OK	0\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	loading.idle.2p32-1
  put	loading	'4294967295'	10	OK	
  get	loading		2	OK	0\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	loading.idle.2p64+1
  put	loading	'18446744073709551617'	20	OK	
  get	loading		2	OK	1\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|1\n|0
  case	loading.idle.2p63+1
  put	loading	'9223372036854775809'	19	OK	
  get	loading		2	OK	1\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|1\n|0
  case	loading.idle.true
  put	loading	'true'	4	OK	
  get	loading		2	OK	0\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	loading.idle.y
  put	loading	'y'	1	OK	
  get	loading		2	OK	0\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	loading.loading.1
  put	loading	'1'	1	OK	
  put	data	'data'	4	OK	
  put	loading	'1'	1	OK	
  get	loading		2	OK	1\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|1\n|0
  case	loading.loading.1nl
  put	loading	'1'	1	OK	
  put	data	'data'	4	OK	
  put	loading	'1\n'	2	OK	
  get	loading		2	OK	1\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|1\n|0
  case	loading.loading.sp1
  put	loading	'1'	1	OK	
  put	data	'data'	4	OK	
  put	loading	' 1'	2	OK	
  get	loading		2	OK	0\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	loading.loading.tab1
  put	loading	'1'	1	OK	
  put	data	'data'	4	OK	
  put	loading	'\t1'	2	OK	
  get	loading		2	OK	0\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	loading.loading.1sp
  put	loading	'1'	1	OK	
  put	data	'data'	4	OK	
  put	loading	'1 '	2	OK	
  get	loading		2	OK	1\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|1\n|0
  case	loading.loading.0
  put	loading	'1'	1	OK	
  put	data	'data'	4	OK	
  put	loading	'0'	1	OK	
  get	loading		2	OK	0\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	loading.loading.0nl
  put	loading	'1'	1	OK	
  put	data	'data'	4	OK	
  put	loading	'0\n'	2	OK	
  get	loading		2	OK	0\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	loading.loading.-1
  put	loading	'1'	1	OK	
  put	data	'data'	4	OK	
  put	loading	'-1'	2	OK	
  get	loading		2	OK	0\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|4
  case	loading.loading.-1nl
  put	loading	'1'	1	OK	
  put	data	'data'	4	OK	
  put	loading	'-1\n'	3	OK	
  get	loading		2	OK	0\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|4
  case	loading.loading.2
  put	loading	'1'	1	OK	
  put	data	'data'	4	OK	
  put	loading	'2'	1	OK	
  get	loading		2	OK	0\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|4
  case	loading.loading.-2
  put	loading	'1'	1	OK	
  put	data	'data'	4	OK	
  put	loading	'-2'	2	OK	
  get	loading		2	OK	0\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|4
  case	loading.loading.abc
  put	loading	'1'	1	OK	
  put	data	'data'	4	OK	
  put	loading	'abc'	3	OK	
  get	loading		2	OK	0\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	loading.loading.empty
  put	loading	'1'	1	OK	
  put	data	'data'	4	OK	
  put	loading	''	0	OK	
  get	loading		2	OK	1\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|1\n|4
  case	loading.loading.nl
  put	loading	'1'	1	OK	
  put	data	'data'	4	OK	
  put	loading	'\n'	1	OK	
  get	loading		2	OK	0\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	loading.loading.01
  put	loading	'1'	1	OK	
  put	data	'data'	4	OK	
  put	loading	'01'	2	OK	
  get	loading		2	OK	1\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|1\n|0
  case	loading.loading.0x1
  put	loading	'1'	1	OK	
  put	data	'data'	4	OK	
  put	loading	'0x1'	3	OK	
  get	loading		2	OK	0\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	loading.loading.1junk
  put	loading	'1'	1	OK	
  put	data	'data'	4	OK	
  put	loading	'1junk'	5	OK	
  get	loading		2	OK	1\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|1\n|0
  case	loading.loading.+1
  put	loading	'1'	1	OK	
  put	data	'data'	4	OK	
  put	loading	'+1'	2	OK	
  get	loading		2	OK	0\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	loading.loading.sp-1
  put	loading	'1'	1	OK	
  put	data	'data'	4	OK	
  put	loading	' -1'	3	OK	
  get	loading		2	OK	0\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	loading.loading.minus_sp_1
  put	loading	'1'	1	OK	
  put	data	'data'	4	OK	
  put	loading	'- 1'	3	OK	
  get	loading		2	OK	0\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	loading.loading.--1
  put	loading	'1'	1	OK	
  put	data	'data'	4	OK	
  put	loading	'--1'	3	OK	
  get	loading		2	OK	0\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	loading.loading.-0
  put	loading	'1'	1	OK	
  put	data	'data'	4	OK	
  put	loading	'-0'	2	OK	
  get	loading		2	OK	0\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	loading.loading.1.0
  put	loading	'1'	1	OK	
  put	data	'data'	4	OK	
  put	loading	'1.0'	3	OK	
  get	loading		2	OK	1\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|1\n|0
  case	loading.loading.10
  put	loading	'1'	1	OK	
  put	data	'data'	4	OK	
  put	loading	'10'	2	OK	
  get	loading		2	OK	0\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|4
  case	loading.loading.1nl0nl
  put	loading	'1'	1	OK	
  put	data	'data'	4	OK	
  put	loading	'1\n0\n'	4	OK	
  get	loading		2	OK	1\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|1\n|0
  case	loading.loading.2p32+1
  put	loading	'1'	1	OK	
  put	data	'data'	4	OK	
  put	loading	'4294967297'	10	OK	
  get	loading		2	OK	1\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|1\n|0
  case	loading.loading.2p32
  put	loading	'1'	1	OK	
  put	data	'data'	4	OK	
  put	loading	'4294967296'	10	OK	
  get	loading		2	OK	0\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	loading.loading.2p32-1
  put	loading	'1'	1	OK	
  put	data	'data'	4	OK	
  put	loading	'4294967295'	10	OK	
  get	loading		2	OK	0\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|4
  case	loading.loading.2p64+1
  put	loading	'1'	1	OK	
  put	data	'data'	4	OK	
  put	loading	'18446744073709551617'	20	OK	
  get	loading		2	OK	1\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|1\n|0
  case	loading.loading.2p63+1
  put	loading	'1'	1	OK	
  put	data	'data'	4	OK	
  put	loading	'9223372036854775809'	19	OK	
  get	loading		2	OK	1\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|1\n|0
  case	loading.loading.true
  put	loading	'1'	1	OK	
  put	data	'data'	4	OK	
  put	loading	'true'	4	OK	
  get	loading		2	OK	0\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	loading.loading.y
  put	loading	'1'	1	OK	
  put	data	'data'	4	OK	
  put	loading	'y'	1	OK	
  get	loading		2	OK	0\n
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	loading.pwrite
  open	loading	O_WRONLY	0	OK	
  pwrite	loading	'1' @1	1	OK	
  get	loading		2	OK	1\n
  pwrite	loading	'-1' @4096	2	OK	
  get	loading		2	OK	0\n
  pwrite	loading	'1' @1048576	1	OK	
  get	loading		2	OK	1\n
  pwrite	loading	'-1' @-1	-1	EINVAL	
  pwrite	loading	'-1' @9223372036854775807	-1	EINVAL	
  pwrite	loading	'-1' @9223372036854775792	2	OK	
  get	loading		2	OK	0\n
  close	loading		0	OK	
  case	loading.seq
  open	loading	O_WRONLY	0	OK	
  write	loading	'1'	1	OK	
  get	loading		2	OK	1\n
  lseek	loading	0 SEEK_CUR	1	OK	
  write	loading	'-1'	2	OK	
  get	loading		2	OK	0\n
  lseek	loading	0 SEEK_CUR	3	OK	
  write	loading	'1\n'	2	OK	
  get	loading		2	OK	1\n
  lseek	loading	100 SEEK_SET	100	OK	
  write	loading	'-1\n'	3	OK	
  get	loading		2	OK	0\n
  close	loading		0	OK	
  case	loading.bytewise
  put	loading	'1'	1	OK	
  open	loading	O_WRONLY	0	OK	
  write	loading	'-'	1	OK	
  get	loading		2	OK	0\n
  write	loading	'1'	1	OK	
  get	loading		2	OK	1\n
  close	loading		0	OK	
  snap			0	OK	idle\n||0\n|1\n|0
  case	loading.append
  open	loading	O_WRONLY|O_APPEND	0	OK	
  write	loading	'1\n'	2	OK	
  lseek	loading	0 SEEK_CUR	2	OK	
  get	loading		2	OK	1\n
  write	loading	'-1\n'	3	OK	
  lseek	loading	0 SEEK_CUR	5	OK	
  get	loading		2	OK	0\n
  close	loading		0	OK	
  case	loading.trunc
  put	loading	'1'	1	OK	
  put	data	'abcd'	4	OK	
  open	loading	O_WRONLY|O_CREAT|O_TRUNC	0	OK	
  close	loading		0	OK	
  snap			0	OK	idle\n||0\n|1\n|4
  open	loading	O_RDWR	0	OK	
  snap			0	OK	idle\n||0\n|1\n|4
  close	loading		0	OK	
  case	loading.restart
  put	loading	'1'	1	OK	
  put	data	'first-longer'	12	OK	
  put	loading	'1'	1	OK	
  snap			0	OK	idle\n||0\n|1\n|0
  put	data	'2nd'	3	OK	
  snap			0	OK	idle\n||0\n|1\n|3
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	loading.zero
  put	loading	'1'	1	OK	
  put	loading	'0'	1	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	loading.abort
  put	loading	'1'	1	OK	
  put	data	'partial!'	8	OK	
  put	loading	'-1'	2	OK	
  snap			0	OK	idle\n||0\n|0\n|8
  get	data		8	OK	partial!
  put	loading	'-1'	2	OK	
  get	data		8	OK	partial!
  put	loading	'0'	1	OK	
  get	data		8	OK	partial!
  await	status	idle	0	OK	
  put	data	'PA'	2	OK	
  get	data		8	OK	PArtial!
  put	loading	'1'	1	OK	
  get	data		0	OK	
  put	data	'fresh'	5	OK	
  get	data		5	OK	fresh
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	loading.doublezero
  put	loading	'1'	1	OK	
  put	data	'x'	1	OK	
  put	loading	'0'	1	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  put	loading	'0'	1	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	loading.badbuf
  open	loading	O_WRONLY	0	OK	
  close	loading		0	OK	
  case	data.before
  put	data	'early'	5	OK	
  get	data		5	OK	early
  snap			0	OK	idle\n||0\n|0\n|5
  put	data	'EA'	2	OK	
  get	data		5	OK	EArly
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|5
  get	data		5	OK	EArly
  put	loading	'1'	1	OK	
  get	data		0	OK	
  put	data	'late'	4	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	data.basic
  put	loading	'1'	1	OK	
  get	data		0	OK	
  open	data	O_RDWR	0	OK	
  write	data	'abcdef'	6	OK	
  lseek	data	0 SEEK_CUR	6	OK	
  read	data	100	0	OK	
  lseek	data	0 SEEK_SET	0	OK	
  read	data	3	3	OK	abc
  write	data	'XY'	2	OK	
  lseek	data	0 SEEK_CUR	5	OK	
  pread	data	100 @0	6	OK	abcXYf
  lseek	data	0 SEEK_END	0	OK	
  write	data	'E'	1	OK	
  pread	data	100 @0	6	OK	EbcXYf
  close	data		0	OK	
  get	data		6	OK	EbcXYf
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  get	data		0	OK	
  case	data.single.1
  put	loading	'1'	1	OK	
  open	data	O_WRONLY	0	OK	
  write	data	'u'	1	OK	
  lseek	data	0 SEEK_CUR	1	OK	
  get	data		1	OK	u
  write	data	'u'	1	OK	
  lseek	data	0 SEEK_CUR	2	OK	
  get	data		2	OK	uu
  close	data		0	OK	
  case	data.overwrite
  put	loading	'1'	1	OK	
  open	data	O_RDWR	0	OK	
  write	data	'0123456789'	10	OK	
  pwrite	data	'AB' @4	2	OK	
  get	data		10	OK	0123AB6789
  pwrite	data	'tail' @8	4	OK	
  get	data		12	OK	0123AB67tail
  pwrite	data	'' @50	0	OK	
  get	data		12	OK	0123AB67tail
  close	data		0	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	data.seek
  put	loading	'1'	1	OK	
  put	data	'0123456789'	10	OK	
  open	data	O_RDWR	0	OK	
  lseek	data	0 SEEK_END	0	OK	
  lseek	data	3 SEEK_SET	3	OK	
  read	data	3	3	OK	345
  write	data	'ZZ'	2	OK	
  lseek	data	-1 SEEK_CUR	7	OK	
  read	data	10	3	OK	Z89
  lseek	data	20 SEEK_SET	20	OK	
  read	data	10	0	OK	
  pread	data	10 @10	0	OK	
  pread	data	10 @11	0	OK	
  lseek	data	0 SEEK_DATA	-1	ENXIO	
  lseek	data	0 SEEK_HOLE	-1	ENXIO	
  close	data		0	OK	
  get	data		10	OK	012345ZZ89
  case	data.far
  put	loading	'1'	1	OK	
  open	data	O_RDWR	0	OK	
  pwrite	data	'm' @1048576	1	OK	
  pread	data	10 @1048576	1	OK	m
  pwrite	data	'x' @-1	-1	EINVAL	
  pwrite	data	'xx' @9223372036854775807	-1	EINVAL	
  pwrite	data	'xx' @9223372036854775806	-1	EINVAL	
  close	data		0	OK	
  put	loading	'-1'	2	OK	
  case	data.zerolen
  put	loading	'1'	1	OK	
  open	data	O_WRONLY	0	OK	
  write	data	''	0	OK	
  snap			0	OK	idle\n||0\n|1\n|0
  close	data		0	OK	
  put	loading	'0'	1	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	data.mmap
  put	loading	'1'	1	OK	
  open	data	O_RDWR	0	OK	
  close	data		0	OK	
  case	data.fdlife
  open	data	O_RDWR	0	OK	
  put	loading	'1'	1	OK	
  write	data	'one'	3	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  pread	data	100 @0	0	OK	
  write	data	'two'	3	OK	
  lseek	data	0 SEEK_CUR	6	OK	
  pread	data	100 @3	3	OK	two
  put	loading	'1'	1	OK	
  pread	data	100 @0	0	OK	
  lseek	data	0 SEEK_SET	0	OK	
  write	data	'three'	5	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  close	data		0	OK	
  case	data.badbuf
  put	loading	'1'	1	OK	
  put	data	'0123'	4	OK	
  open	data	O_RDWR	0	OK	
  close	data		0	OK	
  get	data		4	OK	0123
  case	poll.status
  open	status	O_RDONLY	0	OK	
  poll	status	events IN PRI OUT RDNORM WRNORM ms 0	1	OK	IN PRI OUT ERR RDNORM WRNORM 
  poll	status	events PRI ms 50	1	OK	PRI ERR 
  poll	status	events IN ms 50	1	OK	IN ERR 
  read	status	100	5	OK	idle\n
  poll	status	events IN PRI OUT RDNORM WRNORM ms 0	1	OK	IN OUT RDNORM WRNORM 
  poll	status	events PRI ms 50	0	OK	
  read	status	100	0	OK	
  poll	status	events IN PRI OUT RDNORM WRNORM ms 0	1	OK	IN OUT RDNORM WRNORM 
  lseek	status	0 SEEK_SET	0	OK	
  poll	status	events PRI ms 50	0	OK	
  poll	status	events PRI ERR ms 50	0	OK	
  close	status		0	OK	
  open	status	O_WRONLY	-1	EACCES	
  case	poll.error
  open	error	O_RDONLY	0	OK	
  poll	error	events IN PRI OUT RDNORM WRNORM ms 0	1	OK	IN PRI OUT ERR RDNORM WRNORM 
  poll	error	events PRI ms 50	1	OK	PRI ERR 
  poll	error	events IN ms 50	1	OK	IN ERR 
  read	error	100	0	OK	
  poll	error	events IN PRI OUT RDNORM WRNORM ms 0	1	OK	IN OUT RDNORM WRNORM 
  poll	error	events PRI ms 50	0	OK	
  read	error	100	0	OK	
  poll	error	events IN PRI OUT RDNORM WRNORM ms 0	1	OK	IN OUT RDNORM WRNORM 
  lseek	error	0 SEEK_SET	0	OK	
  poll	error	events PRI ms 50	0	OK	
  poll	error	events PRI ERR ms 50	0	OK	
  close	error		0	OK	
  open	error	O_WRONLY	-1	EACCES	
  case	poll.remaining_size
  open	remaining_size	O_RDONLY	0	OK	
  poll	remaining_size	events IN PRI OUT RDNORM WRNORM ms 0	1	OK	IN PRI OUT ERR RDNORM WRNORM 
  poll	remaining_size	events PRI ms 50	1	OK	PRI ERR 
  poll	remaining_size	events IN ms 50	1	OK	IN ERR 
  read	remaining_size	100	2	OK	0\n
  poll	remaining_size	events IN PRI OUT RDNORM WRNORM ms 0	1	OK	IN OUT RDNORM WRNORM 
  poll	remaining_size	events PRI ms 50	0	OK	
  read	remaining_size	100	0	OK	
  poll	remaining_size	events IN PRI OUT RDNORM WRNORM ms 0	1	OK	IN OUT RDNORM WRNORM 
  lseek	remaining_size	0 SEEK_SET	0	OK	
  poll	remaining_size	events PRI ms 50	0	OK	
  poll	remaining_size	events PRI ERR ms 50	0	OK	
  close	remaining_size		0	OK	
  open	remaining_size	O_WRONLY	-1	EACCES	
  case	poll.loading
  open	loading	O_RDONLY	0	OK	
  poll	loading	events IN PRI OUT RDNORM WRNORM ms 0	1	OK	IN PRI OUT ERR RDNORM WRNORM 
  poll	loading	events PRI ms 50	1	OK	PRI ERR 
  poll	loading	events IN ms 50	1	OK	IN ERR 
  read	loading	100	2	OK	0\n
  poll	loading	events IN PRI OUT RDNORM WRNORM ms 0	1	OK	IN OUT RDNORM WRNORM 
  poll	loading	events PRI ms 50	0	OK	
  read	loading	100	0	OK	
  poll	loading	events IN PRI OUT RDNORM WRNORM ms 0	1	OK	IN OUT RDNORM WRNORM 
  lseek	loading	0 SEEK_SET	0	OK	
  poll	loading	events PRI ms 50	0	OK	
  poll	loading	events PRI ERR ms 50	0	OK	
  close	loading		0	OK	
  open	loading	O_WRONLY	0	OK	
  poll	loading	events IN PRI OUT RDNORM WRNORM ms 0	1	OK	IN PRI OUT ERR RDNORM WRNORM 
  poll	loading	events PRI ms 50	1	OK	PRI ERR 
  poll	loading	events IN ms 50	1	OK	IN ERR 
  close	loading		0	OK	
  case	poll.cancel
  open	cancel	O_RDONLY	-1	EACCES	
  open	cancel	O_WRONLY	0	OK	
  poll	cancel	events IN PRI OUT RDNORM WRNORM ms 0	1	OK	IN PRI OUT ERR RDNORM WRNORM 
  poll	cancel	events PRI ms 50	1	OK	PRI ERR 
  poll	cancel	events IN ms 50	1	OK	IN ERR 
  close	cancel		0	OK	
  case	poll.data
  open	data	O_RDONLY	0	OK	
  poll	data	events IN PRI OUT RDNORM WRNORM ms 0	1	OK	IN PRI OUT ERR RDNORM WRNORM 
  poll	data	events PRI ms 50	1	OK	PRI ERR 
  poll	data	events IN ms 50	1	OK	IN ERR 
  read	data	100	0	OK	
  poll	data	events IN PRI OUT RDNORM WRNORM ms 0	1	OK	IN OUT RDNORM WRNORM 
  poll	data	events PRI ms 50	0	OK	
  read	data	100	0	OK	
  poll	data	events IN PRI OUT RDNORM WRNORM ms 0	1	OK	IN OUT RDNORM WRNORM 
  lseek	data	0 SEEK_SET	0	OK	
  poll	data	events PRI ms 50	0	OK	
  poll	data	events PRI ERR ms 50	0	OK	
  close	data		0	OK	
  open	data	O_WRONLY	0	OK	
  poll	data	events IN PRI OUT RDNORM WRNORM ms 0	1	OK	IN PRI OUT ERR RDNORM WRNORM 
  poll	data	events PRI ms 50	1	OK	PRI ERR 
  poll	data	events IN ms 50	1	OK	IN ERR 
  close	data		0	OK	
  case	poll.uevent
  open	uevent	O_RDONLY	0	OK	
  poll	uevent	events IN PRI OUT RDNORM WRNORM ms 0	1	OK	IN PRI OUT ERR RDNORM WRNORM 
  poll	uevent	events PRI ms 50	1	OK	PRI ERR 
  poll	uevent	events IN ms 50	1	OK	IN ERR 
  read	uevent	100	32	OK	FIRMWARE=fw1\nTIMEOUT=60\nASYNC=0\n
  poll	uevent	events IN PRI OUT RDNORM WRNORM ms 0	1	OK	IN OUT RDNORM WRNORM 
  poll	uevent	events PRI ms 50	0	OK	
  read	uevent	100	0	OK	
  poll	uevent	events IN PRI OUT RDNORM WRNORM ms 0	1	OK	IN OUT RDNORM WRNORM 
  lseek	uevent	0 SEEK_SET	0	OK	
  poll	uevent	events PRI ms 50	0	OK	
  poll	uevent	events PRI ERR ms 50	0	OK	
  close	uevent		0	OK	
  open	uevent	O_WRONLY	0	OK	
  poll	uevent	events IN PRI OUT RDNORM WRNORM ms 0	1	OK	IN PRI OUT ERR RDNORM WRNORM 
  poll	uevent	events PRI ms 50	1	OK	PRI ERR 
  poll	uevent	events IN ms 50	1	OK	IN ERR 
  close	uevent		0	OK	
  case	cancel.idle.0
  put	cancel	'1'	-1	ENODEV	
  snap			0	OK	idle\n||0\n|0\n|0
  case	cancel.idle.1
  put	cancel	'1\n'	-1	ENODEV	
  snap			0	OK	idle\n||0\n|0\n|0
  case	cancel.idle.2
  put	cancel	'y'	-1	ENODEV	
  snap			0	OK	idle\n||0\n|0\n|0
  case	cancel.idle.3
  put	cancel	'Y'	-1	ENODEV	
  snap			0	OK	idle\n||0\n|0\n|0
  case	cancel.idle.4
  put	cancel	'yes'	-1	ENODEV	
  snap			0	OK	idle\n||0\n|0\n|0
  case	cancel.idle.5
  put	cancel	'on'	-1	ENODEV	
  snap			0	OK	idle\n||0\n|0\n|0
  case	cancel.idle.6
  put	cancel	'ON'	-1	ENODEV	
  snap			0	OK	idle\n||0\n|0\n|0
  case	cancel.idle.7
  put	cancel	'oN'	-1	ENODEV	
  snap			0	OK	idle\n||0\n|0\n|0
  case	cancel.idle.8
  put	cancel	't'	-1	ENODEV	
  snap			0	OK	idle\n||0\n|0\n|0
  case	cancel.idle.9
  put	cancel	'T'	-1	ENODEV	
  snap			0	OK	idle\n||0\n|0\n|0
  case	cancel.idle.10
  put	cancel	'true'	-1	ENODEV	
  snap			0	OK	idle\n||0\n|0\n|0
  case	cancel.idle.11
  put	cancel	'1junk'	-1	ENODEV	
  snap			0	OK	idle\n||0\n|0\n|0
  case	cancel.idle.12
  put	cancel	'ojunk'	-1	EINVAL	
  snap			0	OK	idle\n||0\n|0\n|0
  case	cancel.idle.13
  put	cancel	'onjunk'	-1	ENODEV	
  snap			0	OK	idle\n||0\n|0\n|0
  case	cancel.idle.14
  put	cancel	'0'	-1	EINVAL	
  snap			0	OK	idle\n||0\n|0\n|0
  case	cancel.idle.15
  put	cancel	'0\n'	-1	EINVAL	
  snap			0	OK	idle\n||0\n|0\n|0
  case	cancel.idle.16
  put	cancel	'n'	-1	EINVAL	
  snap			0	OK	idle\n||0\n|0\n|0
  case	cancel.idle.17
  put	cancel	'N'	-1	EINVAL	
  snap			0	OK	idle\n||0\n|0\n|0
  case	cancel.idle.18
  put	cancel	'off'	-1	EINVAL	
  snap			0	OK	idle\n||0\n|0\n|0
  case	cancel.idle.19
  put	cancel	'OFF'	-1	EINVAL	
  snap			0	OK	idle\n||0\n|0\n|0
  case	cancel.idle.20
  put	cancel	'f'	-1	EINVAL	
  snap			0	OK	idle\n||0\n|0\n|0
  case	cancel.idle.21
  put	cancel	'false'	-1	EINVAL	
  snap			0	OK	idle\n||0\n|0\n|0
  case	cancel.idle.22
  put	cancel	'o'	-1	EINVAL	
  snap			0	OK	idle\n||0\n|0\n|0
  case	cancel.idle.23
  put	cancel	'abc'	-1	EINVAL	
  snap			0	OK	idle\n||0\n|0\n|0
  case	cancel.idle.24
  put	cancel	'2'	-1	EINVAL	
  snap			0	OK	idle\n||0\n|0\n|0
  case	cancel.idle.25
  put	cancel	'-1'	-1	EINVAL	
  snap			0	OK	idle\n||0\n|0\n|0
  case	cancel.idle.26
  put	cancel	' 1'	-1	EINVAL	
  snap			0	OK	idle\n||0\n|0\n|0
  case	cancel.idle.27
  put	cancel	'\n'	-1	EINVAL	
  snap			0	OK	idle\n||0\n|0\n|0
  case	cancel.idle.28
  put	cancel	''	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	cancel.loading
  put	loading	'1'	1	OK	
  put	data	'abc'	3	OK	
  put	cancel	'1'	-1	ENODEV	
  snap			0	OK	idle\n||0\n|1\n|3
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	inject.preparing.hw-error
  put	loading	'1'	1	OK	
  put	data	'inject:preparing:hw-error'	25	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n|preparing:hw-error\n|25\n|0\n|0
  case	inject.preparing.timeout
  put	loading	'1'	1	OK	
  put	data	'inject:preparing:timeout'	24	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n|preparing:timeout\n|24\n|0\n|0
  case	inject.preparing.device-busy
  put	loading	'1'	1	OK	
  put	data	'inject:preparing:device-busy'	28	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n|preparing:device-busy\n|28\n|0\n|0
  case	inject.preparing.invalid-file-size
  put	loading	'1'	1	OK	
  put	data	'inject:preparing:invalid-file-size'	34	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n|preparing:invalid-file-size\n|34\n|0\n|0
  case	inject.preparing.read-write-error
  put	loading	'1'	1	OK	
  put	data	'inject:preparing:read-write-error'	33	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n|preparing:read-write-error\n|33\n|0\n|0
  case	inject.preparing.flash-wearout
  put	loading	'1'	1	OK	
  put	data	'inject:preparing:flash-wearout'	30	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n|preparing:flash-wearout\n|30\n|0\n|0
  case	inject.preparing.firmware-invalid
  put	loading	'1'	1	OK	
  put	data	'inject:preparing:firmware-invalid'	33	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n|preparing:firmware-invalid\n|33\n|0\n|0
  case	inject.preparing.none
  put	loading	'1'	1	OK	
  put	data	'inject:preparing:none'	21	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	inject.preparing.bogus
  put	loading	'1'	1	OK	
  put	data	'inject:preparing:bogus'	22	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	inject.preparing.hw-error-with-suffix
  put	loading	'1'	1	OK	
  put	data	'inject:preparing:hw-error-with-suffix'	37	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n|preparing:hw-error\n|37\n|0\n|0
  case	inject.transferring.hw-error
  put	loading	'1'	1	OK	
  put	data	'inject:transferring:hw-error'	28	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n|transferring:hw-error\n|28\n|0\n|0
  case	inject.transferring.timeout
  put	loading	'1'	1	OK	
  put	data	'inject:transferring:timeout'	27	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n|transferring:timeout\n|27\n|0\n|0
  case	inject.transferring.device-busy
  put	loading	'1'	1	OK	
  put	data	'inject:transferring:device-busy'	31	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n|transferring:device-busy\n|31\n|0\n|0
  case	inject.transferring.invalid-file-size
  put	loading	'1'	1	OK	
  put	data	'inject:transferring:invalid-file-size'	37	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n|transferring:invalid-file-size\n|37\n|0\n|0
  case	inject.transferring.read-write-error
  put	loading	'1'	1	OK	
  put	data	'inject:transferring:read-write-error'	36	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n|transferring:read-write-error\n|36\n|0\n|0
  case	inject.transferring.flash-wearout
  put	loading	'1'	1	OK	
  put	data	'inject:transferring:flash-wearout'	33	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n|transferring:flash-wearout\n|33\n|0\n|0
  case	inject.transferring.firmware-invalid
  put	loading	'1'	1	OK	
  put	data	'inject:transferring:firmware-invalid'	36	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n|transferring:firmware-invalid\n|36\n|0\n|0
  case	inject.transferring.none
  put	loading	'1'	1	OK	
  put	data	'inject:transferring:none'	24	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	inject.transferring.bogus
  put	loading	'1'	1	OK	
  put	data	'inject:transferring:bogus'	25	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	inject.transferring.hw-error-with-suffix
  put	loading	'1'	1	OK	
  put	data	'inject:transferring:hw-error-with-suffix'	40	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n|transferring:hw-error\n|40\n|0\n|0
  case	inject.programming.hw-error
  put	loading	'1'	1	OK	
  put	data	'inject:programming:hw-error'	27	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n|programming:hw-error\n|0\n|0\n|0
  case	inject.programming.timeout
  put	loading	'1'	1	OK	
  put	data	'inject:programming:timeout'	26	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n|programming:timeout\n|0\n|0\n|0
  case	inject.programming.device-busy
  put	loading	'1'	1	OK	
  put	data	'inject:programming:device-busy'	30	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n|programming:device-busy\n|0\n|0\n|0
  case	inject.programming.invalid-file-size
  put	loading	'1'	1	OK	
  put	data	'inject:programming:invalid-file-size'	36	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n|programming:invalid-file-size\n|0\n|0\n|0
  case	inject.programming.read-write-error
  put	loading	'1'	1	OK	
  put	data	'inject:programming:read-write-error'	35	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n|programming:read-write-error\n|0\n|0\n|0
  case	inject.programming.flash-wearout
  put	loading	'1'	1	OK	
  put	data	'inject:programming:flash-wearout'	32	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n|programming:flash-wearout\n|0\n|0\n|0
  case	inject.programming.firmware-invalid
  put	loading	'1'	1	OK	
  put	data	'inject:programming:firmware-invalid'	35	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n|programming:firmware-invalid\n|0\n|0\n|0
  case	inject.programming.none
  put	loading	'1'	1	OK	
  put	data	'inject:programming:none'	23	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	inject.programming.bogus
  put	loading	'1'	1	OK	
  put	data	'inject:programming:bogus'	24	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	inject.programming.hw-error-with-suffix
  put	loading	'1'	1	OK	
  put	data	'inject:programming:hw-error-with-suffix'	39	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n|programming:hw-error\n|0\n|0\n|0
  case	inject.receiving.hw-error
  put	loading	'1'	1	OK	
  put	data	'inject:receiving:hw-error'	25	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	inject.receiving.timeout
  put	loading	'1'	1	OK	
  put	data	'inject:receiving:timeout'	24	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	inject.receiving.device-busy
  put	loading	'1'	1	OK	
  put	data	'inject:receiving:device-busy'	28	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	inject.receiving.invalid-file-size
  put	loading	'1'	1	OK	
  put	data	'inject:receiving:invalid-file-size'	34	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	inject.receiving.read-write-error
  put	loading	'1'	1	OK	
  put	data	'inject:receiving:read-write-error'	33	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	inject.receiving.flash-wearout
  put	loading	'1'	1	OK	
  put	data	'inject:receiving:flash-wearout'	30	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	inject.receiving.firmware-invalid
  put	loading	'1'	1	OK	
  put	data	'inject:receiving:firmware-invalid'	33	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	inject.receiving.none
  put	loading	'1'	1	OK	
  put	data	'inject:receiving:none'	21	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	inject.receiving.bogus
  put	loading	'1'	1	OK	
  put	data	'inject:receiving:bogus'	22	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	inject.receiving.hw-error-with-suffix
  put	loading	'1'	1	OK	
  put	data	'inject:receiving:hw-error-with-suffix'	37	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	inject.idle.hw-error
  put	loading	'1'	1	OK	
  put	data	'inject:idle:hw-error'	20	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	inject.idle.timeout
  put	loading	'1'	1	OK	
  put	data	'inject:idle:timeout'	19	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	inject.idle.device-busy
  put	loading	'1'	1	OK	
  put	data	'inject:idle:device-busy'	23	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	inject.idle.invalid-file-size
  put	loading	'1'	1	OK	
  put	data	'inject:idle:invalid-file-size'	29	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	inject.idle.read-write-error
  put	loading	'1'	1	OK	
  put	data	'inject:idle:read-write-error'	28	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	inject.idle.flash-wearout
  put	loading	'1'	1	OK	
  put	data	'inject:idle:flash-wearout'	25	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	inject.idle.firmware-invalid
  put	loading	'1'	1	OK	
  put	data	'inject:idle:firmware-invalid'	28	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	inject.idle.none
  put	loading	'1'	1	OK	
  put	data	'inject:idle:none'	16	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	inject.idle.bogus
  put	loading	'1'	1	OK	
  put	data	'inject:idle:bogus'	17	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	inject.idle.hw-error-with-suffix
  put	loading	'1'	1	OK	
  put	data	'inject:idle:hw-error-with-suffix'	32	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	inject.bogus.hw-error
  put	loading	'1'	1	OK	
  put	data	'inject:bogus:hw-error'	21	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	inject.bogus.timeout
  put	loading	'1'	1	OK	
  put	data	'inject:bogus:timeout'	20	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	inject.bogus.device-busy
  put	loading	'1'	1	OK	
  put	data	'inject:bogus:device-busy'	24	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	inject.bogus.invalid-file-size
  put	loading	'1'	1	OK	
  put	data	'inject:bogus:invalid-file-size'	30	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	inject.bogus.read-write-error
  put	loading	'1'	1	OK	
  put	data	'inject:bogus:read-write-error'	29	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	inject.bogus.flash-wearout
  put	loading	'1'	1	OK	
  put	data	'inject:bogus:flash-wearout'	26	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	inject.bogus.firmware-invalid
  put	loading	'1'	1	OK	
  put	data	'inject:bogus:firmware-invalid'	29	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	inject.bogus.none
  put	loading	'1'	1	OK	
  put	data	'inject:bogus:none'	17	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	inject.bogus.bogus
  put	loading	'1'	1	OK	
  put	data	'inject:bogus:bogus'	18	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  case	inject.bogus.hw-error-with-suffix
  put	loading	'1'	1	OK	
  put	data	'inject:bogus:hw-error-with-suffix'	33	OK	
  put	loading	'0'	1	OK	
  await	status	idle	0	OK	
  snap			0	OK	idle\n||0\n|0\n|0
  """#
