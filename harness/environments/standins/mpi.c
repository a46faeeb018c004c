/* An MPI of one process, for libraries that are linked to Open MPI 1.10 (libmpi.so.12) and are used on one machine alone.

Every call answers what a library of one rank answers: size 1, rank 0, collectives that copy what was sent to where it is
received. Layouts are Open MPI's, whose handles are addresses of objects in the library. What is not here is generated
beside it (harness/environments/standin.py), and aborts with its name: nothing answers what it does not do.
*/

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SUCCESS = 0, ERR_TYPE = 3, ERR_RANK = 6 };
enum { LONGEST_TEXT = 256, UNDEFINED = -32766, THREAD_MULTIPLE = 3 };
#define IN_PLACE ((void *)1)

typedef struct { size_t size; char rest[512]; } Datatype;
typedef struct { char rest[1024]; } Handle;
typedef struct { int source, tag, error, cancelled; size_t bytes; } Status;

#define TYPE(name, of) Datatype ompi_mpi_##name = {sizeof(of), {0}}
TYPE(char, char);
TYPE(signed_char, signed char);
TYPE(unsigned_char, unsigned char);
TYPE(byte, char);
TYPE(short, short);
TYPE(unsigned_short, unsigned short);
TYPE(int, int);
TYPE(unsigned, unsigned);
TYPE(long, long);
TYPE(unsigned_long, unsigned long);
TYPE(long_long_int, long long);
TYPE(unsigned_long_long, unsigned long long);
TYPE(float, float);
TYPE(double, double);

Handle ompi_mpi_comm_world, ompi_mpi_comm_self, ompi_mpi_comm_null, ompi_mpi_group_empty, ompi_request_null;
Handle ompi_mpi_op_sum, ompi_mpi_op_max, ompi_mpi_op_min, ompi_mpi_op_prod, ompi_mpi_op_null;

static int is_initialized, is_finalized;

/* What is not here: said, and ended. */
void harness_mpi_missing(const char *name) {
    fprintf(stderr, "the stand-in for MPI, which knows one process alone, has no %s\n", name);
    fflush(stderr);
    abort();
}

static int copied(const void *sent, int count, const Datatype *type, void *received) {
    if (sent == IN_PLACE || received == IN_PLACE || sent == received || !count) return SUCCESS;
    if (!type || !type->size) return ERR_TYPE;
    memmove(received, sent, (size_t)count * type->size);
    return SUCCESS;
}

static void done(Handle **request, Status *status) {
    if (request) *request = &ompi_request_null;
    if (status) *status = (Status){0, 0, SUCCESS, 0, 0};
}

int MPI_Init(int *argc, char ***argv) { (void)argc; (void)argv; is_initialized = 1; return SUCCESS; }
int MPI_Init_thread(int *argc, char ***argv, int wanted, int *given) {
    *given = wanted < THREAD_MULTIPLE ? wanted : THREAD_MULTIPLE;
    return MPI_Init(argc, argv);
}
int MPI_Initialized(int *flag) { *flag = is_initialized; return SUCCESS; }
int MPI_Finalize(void) { is_finalized = 1; return SUCCESS; }
int MPI_Finalized(int *flag) { *flag = is_finalized; return SUCCESS; }
int MPI_Abort(Handle *comm, int code) {
    (void)comm;
    fprintf(stderr, "MPI_Abort(%d)\n", code);
    fflush(stderr);
    exit(code ? code : 1);
}

int MPI_Comm_size(Handle *comm, int *size) { (void)comm; *size = 1; return SUCCESS; }
int MPI_Comm_rank(Handle *comm, int *rank) { (void)comm; *rank = 0; return SUCCESS; }
int MPI_Comm_dup(Handle *comm, Handle **made) { *made = comm; return SUCCESS; }
int MPI_Comm_split(Handle *comm, int colour, int key, Handle **made) {
    (void)key;
    *made = colour == UNDEFINED ? &ompi_mpi_comm_null : comm;
    return SUCCESS;
}
int MPI_Comm_free(Handle **comm) { *comm = &ompi_mpi_comm_null; return SUCCESS; }
int MPI_Get_processor_name(char *name, int *length) {
    if (gethostname(name, LONGEST_TEXT)) strcpy(name, "localhost");
    name[LONGEST_TEXT - 1] = 0;
    *length = (int)strlen(name);
    return SUCCESS;
}
int MPI_Error_string(int code, char *text, int *length) {
    *length = snprintf(text, LONGEST_TEXT, code ? "MPI error %d" : "no error", code);
    return SUCCESS;
}
double MPI_Wtime(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}
int MPI_Type_size(Datatype *type, int *size) { *size = (int)type->size; return SUCCESS; }

int MPI_Barrier(Handle *comm) { (void)comm; return SUCCESS; }
int MPI_Bcast(void *buffer, int count, Datatype *type, int root, Handle *comm) {
    (void)buffer; (void)count; (void)type; (void)comm;
    return root ? ERR_RANK : SUCCESS;
}
/* Of one process's numbers the sum, the largest and the smallest are they themselves. */
int MPI_Allreduce(const void *sent, void *received, int count, Datatype *type, Handle *op, Handle *comm) {
    (void)op; (void)comm;
    return copied(sent, count, type, received);
}
int MPI_Reduce(const void *sent, void *received, int count, Datatype *type, Handle *op, int root, Handle *comm) {
    return root ? ERR_RANK : MPI_Allreduce(sent, received, count, type, op, comm);
}
int MPI_Allgather(const void *sent, int count, Datatype *type, void *received, int counts, Datatype *as, Handle *comm) {
    (void)counts; (void)as; (void)comm;
    return copied(sent, count, type, received);
}
int MPI_Gather(
    const void *sent, int count, Datatype *type, void *received, int counts, Datatype *as, int root, Handle *comm
) {
    return root ? ERR_RANK : MPI_Allgather(sent, count, type, received, counts, as, comm);
}
int MPI_Scatter(
    const void *sent, int count, Datatype *type, void *received, int counts, Datatype *as, int root, Handle *comm
) {
    (void)count; (void)type; (void)comm;
    return root ? ERR_RANK : copied(sent, counts, as, received);
}
int MPI_Iallreduce(
    const void *sent, void *received, int count, Datatype *type, Handle *op, Handle *comm, Handle **request
) {
    done(request, 0);
    return MPI_Allreduce(sent, received, count, type, op, comm);
}
int MPI_Iallgather(
    const void *sent, int count, Datatype *type, void *received, int counts, Datatype *as, Handle *comm, Handle **request
) {
    done(request, 0);
    return MPI_Allgather(sent, count, type, received, counts, as, comm);
}
/* Every request was done when it was made. */
int MPI_Wait(Handle **request, Status *status) { done(request, status); return SUCCESS; }
int MPI_Test(Handle **request, int *flag, Status *status) { *flag = 1; done(request, status); return SUCCESS; }
int MPI_Waitall(int count, Handle **requests, Status *statuses) {
    for (int i = 0; i < count; i++) done(&requests[i], statuses ? &statuses[i] : 0);
    return SUCCESS;
}
