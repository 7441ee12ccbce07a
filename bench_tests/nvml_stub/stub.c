/* A libnvidia-ml.so.1 without a GPU: power waveforms, update ticks, averaging, a clock, faults.
 *
 * The real pynvml loads it by ctypes. It is told what to be by lines of text, either one by one
 * through stub_command() in the same process, or from the file named in NVML_STUB_SCENARIO, which is
 * read at the first nvmlInitWithFlags (for programs started as children):
 *
 *   clock virtual T | clock real       seconds since the scenario began
 *   gpus N
 *   set GPU KEY VALUE                   see the table `keys`; also name, uuid
 *   wave GPU REPEAT T W T W ...         W watts from T on; after REPEAT seconds from the start again (0: hold)
 *   fault CALL GPU FROM UNTIL CODE [V]  from FROM to UNTIL the call returns CODE; 0 is success with value V;
 *                                       -1: it returns after V seconds of real time, -2: never
 *   process GPU PID FROM UNTIL          a compute process is on the GPU
 *   graphics GPU PID FROM UNTIL         a graphics process is on it
 *   reload GPU AT                       the counter starts again from zero
 *   leap GPU AT JOULES                  the counter shows so many joules too many from AT on
 */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MAX_GPUS = 64, MAX_FAULTS = 64, MAX_PROCESSES = 32 };
enum { SUCCESS = 0, UNINITIALIZED = 1, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7 };

typedef struct {
    double tick, jitter, phase, power_tick, average, limit, architecture, mig, temperature, clock_mhz;
    double energy_start, thermal_share, power_share, scope_module_w, gain, reload_at, leap_at, leap_j;
    char name[96], uuid[96];
    double *times, *watts, *joules, repeat;
    int points;
} Gpu;

typedef struct { char call[64]; int gpu; double from, until, value; int code; } Fault;
typedef struct { int gpu, graphics; unsigned pid; double from, until; } Process;

typedef struct { unsigned long long total, free, used; } Memory;
typedef struct { unsigned gpu, memory; } Utilization;
typedef struct { unsigned version, sensor; int temperature; } Temperature;
typedef struct { unsigned pid; unsigned long long memory; unsigned gpu_instance, compute_instance; } ProcessInfo;
typedef union { double d; unsigned ui; unsigned long ul; unsigned long long ull; } Value;
typedef struct { unsigned field, scope; int64_t timestamp, latency; int type, code; Value value; } FieldValue;

static Gpu gpus[MAX_GPUS];
static Fault faults[MAX_FAULTS];
static Process processes[MAX_PROCESSES];
static int gpu_count, fault_count, process_count, initialized, is_virtual = 1, loaded;
static double virtual_now, real_zero;
static unsigned long call_count;

static const struct { const char *key; size_t offset; } keys[] = {
#define KEY(k) {#k, offsetof(Gpu, k)}
    KEY(tick), KEY(jitter), KEY(phase), KEY(power_tick), KEY(average), KEY(limit), KEY(architecture), KEY(mig),
    KEY(temperature), KEY(clock_mhz), KEY(energy_start), KEY(thermal_share), KEY(power_share),
    KEY(scope_module_w), KEY(gain),
};

static double monotonic(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

double stub_now(void) { return is_virtual ? virtual_now : monotonic() - real_zero; }
void stub_set_time(double now) { virtual_now = now; }
unsigned long stub_calls(void) { return call_count; }

/* --- the waveform ------------------------------------------------------------------------- */

static int segment(const Gpu *g, double t) {
    int low = 0, high = g->points - 1;
    while (low < high) {
        int middle = (low + high + 1) / 2;
        if (g->times[middle] <= t) low = middle; else high = middle - 1;
    }
    return low;
}

static double one_turn(const Gpu *g, double t) {
    int i = segment(g, t);
    return g->joules[i] + g->watts[i] * (t - g->times[i]);
}

static double fold(const Gpu *g, double t, double *turns) {
    *turns = g->repeat > 0 ? floor(t / g->repeat) : 0;
    return t - *turns * g->repeat;
}

/* True joules since the scenario began. */
double stub_energy(int gpu, double t) {
    const Gpu *g = &gpus[gpu];
    double turns, inside = fold(g, t, &turns);
    return one_turn(g, inside) + (turns ? turns * one_turn(g, g->repeat) : 0);
}

static double watts_at(const Gpu *g, double t) {
    double turns;
    return g->watts[segment(g, fold(g, t, &turns))];
}

/* Time of the last update at or before t; the jitter moves each tick by its own fixed amount. */
static double tick_time(const Gpu *g, long k) {
    uint64_t h = (uint64_t)k * 0x9E3779B97F4A7C15ull;
    h ^= h >> 29; h *= 0xBF58476D1CE4E5B9ull; h ^= h >> 32;
    return g->phase + k * g->tick + g->jitter * ((double)(h >> 11) / 9007199254740992.0 - 0.5);
}

static double last_tick(const Gpu *g, double t) {
    if (g->tick <= 0) return t;
    long k = (long)floor((t - g->phase) / g->tick) + 1;
    while (tick_time(g, k) > t) k--;
    return tick_time(g, k);
}

static double shown_energy(int gpu, double t) {
    const Gpu *g = &gpus[gpu];
    double at = last_tick(g, t), start = g->energy_start;
    double joules = stub_energy(gpu, at);
    if (g->reload_at >= 0 && t >= g->reload_at) { joules = fmax(0, joules - stub_energy(gpu, g->reload_at)); start = 0; }
    if (g->leap_j && t >= g->leap_at) joules += g->leap_j;
    return (start + joules) * g->gain;
}

static double shown_power(int gpu, double t, double average) {
    const Gpu *g = &gpus[gpu];
    double at = g->power_tick > 0 ? floor(t / g->power_tick) * g->power_tick : t;
    double watts = watts_at(g, at);
    if (average > 0) {
        double from = at > average ? at - average : 0;
        watts = at > from ? (stub_energy(gpu, at) - stub_energy(gpu, from)) / (at - from) : watts;
    }
    return watts * g->gain;
}

/* --- scenario ------------------------------------------------------------------------------- */

static void set_wave(Gpu *g, double repeat, const char *text) {
    free(g->times); free(g->watts); free(g->joules);
    int room = 16, n = 0;
    g->times = malloc(room * sizeof(double)); g->watts = malloc(room * sizeof(double));
    for (char *end; ; text = end) {
        double t = strtod(text, &end);
        if (end == text) break;
        text = end;
        double w = strtod(text, &end);
        if (end == text) break;
        if (n == room) {
            room *= 2;
            g->times = realloc(g->times, room * sizeof(double)); g->watts = realloc(g->watts, room * sizeof(double));
        }
        g->times[n] = t; g->watts[n++] = w;
    }
    g->joules = malloc((n + 1) * sizeof(double));
    g->joules[0] = 0;
    for (int i = 1; i < n; i++) g->joules[i] = g->joules[i - 1] + g->watts[i - 1] * (g->times[i] - g->times[i - 1]);
    g->points = n; g->repeat = repeat;
}

static void reset_gpu(int i) {
    Gpu *g = &gpus[i];
    double *t = g->times, *w = g->watts, *j = g->joules;
    /* The phase keeps ticks off the round times of a test's polls, where rounding would decide. */
    *g = (Gpu){.tick = 0.1, .phase = 0.0137, .power_tick = 0.1, .limit = 300, .architecture = 7, .temperature = 45,
               .clock_mhz = 1500, .energy_start = 1000, .gain = 1, .reload_at = -1, .times = t, .watts = w, .joules = j};
    snprintf(g->name, sizeof g->name, "Stub GPU");
    snprintf(g->uuid, sizeof g->uuid, "GPU-%08x-0000-4000-8000-%012d", 0x5afe0000 + i, i);
    set_wave(g, 0, "0 100");
}

void stub_reset(void) {
    gpu_count = 1; fault_count = process_count = 0; is_virtual = 1; virtual_now = 0; call_count = 0;
    for (int i = 0; i < MAX_GPUS; i++) reset_gpu(i);
    loaded = 1;
}

int stub_command(const char *line) {
    char word[64], key[64];
    int gpu, used = 0;
    if (!loaded) stub_reset();
    if (sscanf(line, "%63s %n", word, &used) < 1 || word[0] == '#') return 0;
    const char *rest = line + used;
    if (!strcmp(word, "clock")) {
        is_virtual = strncmp(rest, "real", 4) != 0;
        if (is_virtual) virtual_now = atof(rest + strlen("virtual")); else real_zero = monotonic();
        return 0;
    }
    if (!strcmp(word, "gpus")) { gpu_count = atoi(rest); return gpu_count < 0 || gpu_count > MAX_GPUS; }
    if (!strcmp(word, "fault")) {
        Fault *f = &faults[fault_count];
        f->value = 0;
        if (fault_count == MAX_FAULTS) return 1;
        if (sscanf(rest, "%63s %d %lf %lf %d %lf", f->call, &f->gpu, &f->from, &f->until, &f->code, &f->value) < 5)
            return 1;
        fault_count++;
        return 0;
    }
    if (sscanf(rest, "%d %n", &gpu, &used) < 1 || gpu < 0 || gpu >= MAX_GPUS) return 1;
    rest += used;
    Gpu *g = &gpus[gpu];
    if (!strcmp(word, "wave")) {
        char *after;
        double repeat = strtod(rest, &after);
        set_wave(g, repeat, after);
        return g->points == 0;
    }
    if (!strcmp(word, "reload")) { g->reload_at = atof(rest); return 0; }
    if (!strcmp(word, "leap")) return sscanf(rest, "%lf %lf", &g->leap_at, &g->leap_j) != 2;
    if (!strcmp(word, "process") || !strcmp(word, "graphics")) {
        Process *p = &processes[process_count];
        if (process_count == MAX_PROCESSES) return 1;
        p->gpu = gpu;
        p->graphics = word[0] == 'g';
        if (sscanf(rest, "%u %lf %lf", &p->pid, &p->from, &p->until) != 3) return 1;
        process_count++;
        return 0;
    }
    if (!strcmp(word, "set") && sscanf(rest, "%63s %n", key, &used) == 1) {
        rest += used;
        if (!strcmp(key, "name")) { snprintf(g->name, sizeof g->name, "%s", rest); return 0; }
        if (!strcmp(key, "uuid")) { snprintf(g->uuid, sizeof g->uuid, "%s", rest); return 0; }
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
            if (!strcmp(key, keys[i].key)) { *(double *)((char *)g + keys[i].offset) = atof(rest); return 0; }
    }
    return 1;
}

static void load_scenario(void) {
    const char *path = getenv("NVML_STUB_SCENARIO");
    if (loaded) return;
    stub_reset();
    FILE *file = path ? fopen(path, "r") : NULL;
    char *line = NULL;
    size_t room = 0;
    while (file && getline(&line, &room, file) > 0) {
        line[strcspn(line, "\n")] = 0;
        if (stub_command(line)) { fprintf(stderr, "nvml stub: bad line: %s\n", line); abort(); }
    }
    free(line);
    if (file) fclose(file);
}

/* --- the calls ---------------------------------------------------------------------------------- */

static const Fault *fault_of(const char *call, int gpu) {
    double now = stub_now();
    for (int i = 0; i < fault_count; i++) {
        const Fault *f = &faults[i];
        if (strcmp(f->call, call) || (f->gpu >= 0 && f->gpu != gpu) || now < f->from || now >= f->until) continue;
        if (f->code >= 0) return f;
        double end = monotonic() + (f->code == -1 ? f->value : 1e9);
        while (monotonic() < end && i < fault_count) usleep(1000);
    }
    return NULL;
}

static int index_of(const Gpu *g) { return (int)(g - gpus); }

/* Leave the calling function with the fault's code, if it is one. */
#define ENTER(call, gpu) \
    const Fault *fault = fault_of(call, gpu); \
    call_count++; \
    if (fault && fault->code) return fault->code; \
    if (!initialized) return UNINITIALIZED

int nvmlInitWithFlags(unsigned flags) {
    (void)flags;
    load_scenario();
    const Fault *fault = fault_of("nvmlInitWithFlags", -1);
    if (fault) return fault->code;
    initialized = 1;
    return SUCCESS;
}

int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }
int nvmlShutdown(void) {
    const Fault *fault = fault_of("nvmlShutdown", -1);
    return fault ? fault->code : SUCCESS;
}


const char *nvmlErrorString(int code) {
    switch (code) {
    case 3: return "Not Supported";
    case 4: return "Insufficient Permissions";
    case 9: return "Driver Not Loaded";
    case 15: return "GPU is lost";
    case 18: return "Driver/library version mismatch";
    default: return "Error of the stub";
    }
}

static int text(char *out, unsigned room, const char *value) {
    if (strlen(value) >= room) return INSUFFICIENT_SIZE;
    strcpy(out, value);
    return SUCCESS;
}

int nvmlSystemGetDriverVersion(char *out, unsigned room) {
    const Fault *fault = fault_of("nvmlSystemGetDriverVersion", -1);
    if (fault && fault->code) return fault->code;
    return text(out, room, fault ? "999.99" : "580.00");
}

int nvmlSystemGetNVMLVersion(char *out, unsigned room) { return text(out, room, "13.580.00"); }

int nvmlDeviceGetCount_v2(unsigned *out) { ENTER("nvmlDeviceGetCount", -1); *out = gpu_count; return SUCCESS; }

int nvmlDeviceGetHandleByIndex_v2(unsigned index, Gpu **out) {
    ENTER("nvmlDeviceGetHandleByIndex", (int)index);
    if (index >= (unsigned)gpu_count) return INVALID_ARGUMENT;
    *out = &gpus[index];
    return SUCCESS;
}

int nvmlDeviceGetHandleByUUID(const char *uuid, Gpu **out) {
    ENTER("nvmlDeviceGetHandleByUUID", -1);
    for (int i = 0; i < gpu_count; i++)
        if (!strcmp(uuid, gpus[i].uuid)) { *out = &gpus[i]; return SUCCESS; }
    return NOT_FOUND;
}

int nvmlDeviceGetIndex(Gpu *g, unsigned *out) { *out = index_of(g); return SUCCESS; }

int nvmlDeviceGetName(Gpu *g, char *out, unsigned room) {
    ENTER("nvmlDeviceGetName", index_of(g));
    return text(out, room, g->name);
}

int nvmlDeviceGetUUID(Gpu *g, char *out, unsigned room) {
    ENTER("nvmlDeviceGetUUID", index_of(g));
    return text(out, room, fault ? "GPU-another" : g->uuid);
}

/* A call with one number as its answer. */
#define NUMBER(call, type, number) \
    int call(Gpu *g, type *out) { \
        ENTER(#call, index_of(g)); \
        *out = (type)(fault ? fault->value : (number)); \
        return SUCCESS; \
    }

NUMBER(nvmlDeviceGetArchitecture, unsigned, g->architecture)
NUMBER(nvmlDeviceGetPowerUsage, unsigned, 1e3 * shown_power(index_of(g), stub_now(), g->average))
NUMBER(nvmlDeviceGetTotalEnergyConsumption, unsigned long long, 1e3 * shown_energy(index_of(g), stub_now()))
NUMBER(nvmlDeviceGetEnforcedPowerLimit, unsigned, 1e3 * g->limit)
NUMBER(nvmlDeviceGetPowerManagementLimit, unsigned, 1e3 * g->limit)
NUMBER(nvmlDeviceGetComputeMode, unsigned, 0)

int nvmlDeviceGetMigMode(Gpu *g, unsigned *current, unsigned *pending) {
    ENTER("nvmlDeviceGetMigMode", index_of(g));
    if (g->mig < 0) return NOT_SUPPORTED;
    *current = *pending = (unsigned)g->mig;
    return SUCCESS;
}

int nvmlDeviceGetTemperatureV(Gpu *g, Temperature *out) {
    ENTER("nvmlDeviceGetTemperature", index_of(g));
    out->temperature = (int)g->temperature;
    return SUCCESS;
}

int nvmlDeviceGetTemperature(Gpu *g, int sensor, unsigned *out) {
    (void)sensor;
    ENTER("nvmlDeviceGetTemperature", index_of(g));
    *out = (unsigned)g->temperature;
    return SUCCESS;
}

int nvmlDeviceGetClockInfo(Gpu *g, int which, unsigned *out) {
    ENTER("nvmlDeviceGetClockInfo", index_of(g));
    *out = (unsigned)(which == 2 ? 4 * g->clock_mhz : g->clock_mhz);
    return SUCCESS;
}

int nvmlDeviceGetMemoryInfo(Gpu *g, Memory *out) { (void)g; *out = (Memory){1ull << 33, 1ull << 32, 1ull << 32}; return SUCCESS; }
int nvmlDeviceGetUtilizationRates(Gpu *g, Utilization *out) { (void)g; *out = (Utilization){90, 40}; return SUCCESS; }

static unsigned list_processes(const Gpu *g, int graphics, unsigned room, ProcessInfo *out) {
    unsigned n = 0;
    double now = stub_now();
    for (int i = 0; i < process_count; i++) {
        const Process *p = &processes[i];
        if (p->gpu != index_of(g) || p->graphics != graphics || now < p->from || now >= p->until) continue;
        if (out && n < room) out[n] = (ProcessInfo){p->pid, 1ull << 30, 0, 0};
        n++;
    }
    return n;
}

#define PROCESSES(call, graphics) \
    int call##_v3(Gpu *g, unsigned *count, ProcessInfo *out) { \
        ENTER(#call, index_of(g)); \
        unsigned room = *count; \
        *count = list_processes(g, graphics, room, out); \
        return *count > room ? INSUFFICIENT_SIZE : SUCCESS; \
    }

PROCESSES(nvmlDeviceGetComputeRunningProcesses, 0)
PROCESSES(nvmlDeviceGetGraphicsRunningProcesses, 1)

static int field_value(Gpu *g, FieldValue *v) {
    int gpu = index_of(g);
    double now = stub_now();
    char call[32];
    snprintf(call, sizeof call, "field:%u", v->field);
    const Fault *fault = fault_of(call, gpu);
    if (fault && fault->code) return fault->code;
    if (v->scope > 1 || (v->scope == 1 && g->scope_module_w <= 0)) return NOT_SUPPORTED;
    double extra_w = v->scope == 1 ? g->scope_module_w : 0;
    v->type = 3;
    switch (v->field) {
    case 83: v->value.ull = 1e3 * (shown_energy(gpu, now) + extra_w * last_tick(g, now)); break;
    case 185: v->type = 1; v->value.ui = 1e3 * (shown_power(gpu, now, 1.0) + extra_w); break;
    case 186: v->type = 1; v->value.ui = 1e3 * (shown_power(gpu, now, 0) + extra_w); break;
    case 74: v->value.ull = 1e9 * g->power_share * now; break;
    case 75: v->value.ull = 1e9 * g->thermal_share * now; break;
    default: return NOT_SUPPORTED;
    }
    if (fault && v->type == 1) v->value.ui = fault->value;
    if (fault && v->type == 3) v->value.ull = fault->value;
    return SUCCESS;
}

int nvmlDeviceGetFieldValues(Gpu *g, int count, FieldValue *values) {
    ENTER("nvmlDeviceGetFieldValues", index_of(g));
    for (int i = 0; i < count; i++) {
        values[i].timestamp = (int64_t)(1e6 * stub_now());
        values[i].code = field_value(g, &values[i]);
    }
    return SUCCESS;
}

static int not_supported(void) { call_count++; return NOT_SUPPORTED; }
int nvmlDeviceGetC2cModeInfoV(void) { return not_supported(); }
int nvmlDeviceGetPersistenceMode(void) { return not_supported(); }
int nvmlDeviceGetPowerManagementLimitConstraints(void) { return not_supported(); }
