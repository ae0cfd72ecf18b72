# build_flags: what every part of the project is compiled and linked with. Features of the compiler,
# the linker and the C library are asked for: one that is missing, or that draws a warning, is left
# out.
include(CheckCCompilerFlag)
include(CheckCSourceCompiles)
include(CheckLinkerFlag)
include(CheckSymbolExists)

# Probes are compiled as the project is: some flags depend on the optimisation.
set(CMAKE_TRY_COMPILE_CONFIGURATION ${CMAKE_BUILD_TYPE})

add_library(build_flags INTERFACE)
target_link_libraries(build_flags INTERFACE Threads::Threads)
target_compile_definitions(build_flags INTERFACE _GNU_SOURCE ECHOD_VERSION="${PROJECT_VERSION}")
if(CMAKE_SIZEOF_VOID_P EQUAL 4) # times after 2038, and large files
    target_compile_definitions(build_flags INTERFACE _FILE_OFFSET_BITS=64 _TIME_BITS=64)
endif()

target_compile_options(build_flags INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wconversion)
if(ECHOD_WERROR)
    target_compile_options(build_flags INTERFACE -Werror)
endif()
if(ECHOD_SANITIZE)
    target_compile_options(build_flags INTERFACE
        -fsanitize=${ECHOD_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(build_flags INTERFACE -fsanitize=${ECHOD_SANITIZE})
endif()

# use_compiler_flags(FLAG...) and use_linker_flags(FLAG...): those that are known, without a
# warning.
function(use_compiler_flags)
    set(CMAKE_REQUIRED_FLAGS -Werror)
    foreach(flag IN LISTS ARGN)
        string(MAKE_C_IDENTIFIER "compiler${flag}" known)
        check_c_compiler_flag(${flag} ${known})
        if(${known})
            target_compile_options(build_flags INTERFACE ${flag})
        endif()
    endforeach()
endfunction()

function(use_linker_flags)
    set(CMAKE_REQUIRED_FLAGS -Werror)
    foreach(flag IN LISTS ARGN)
        string(MAKE_C_IDENTIFIER "linker${flag}" known)
        check_linker_flag(C ${flag} ${known})
        if(${known})
            target_link_options(build_flags INTERFACE ${flag})
        endif()
    endforeach()
endfunction()

# The highest level of _FORTIFY_SOURCE that the compiler and the C library know without a warning.
function(use_fortify_source)
    foreach(level 3 2)
        set(CMAKE_REQUIRED_FLAGS "-Werror -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=${level}")
        check_c_source_compiles("#include <stdio.h>\nint main(void) { return 0; }" fortify_source_${level})
        if(fortify_source_${level})
            target_compile_options(build_flags INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=${level})
            return()
        endif()
    endforeach()
endfunction()

if(ECHOD_HARDEN)
    use_fortify_source()
    use_compiler_flags(-fstack-protector-strong -fstack-clash-protection -ftrivial-auto-var-init=zero
        -fcf-protection=full -mbranch-protection=standard) # x86, ARM
    use_linker_flags(-Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,-z,separate-code)
endif()

# What makes a program position-independent makes it static, too, where there is such a thing.
if(ECHOD_STATIC)
    check_linker_flag(C -static-pie linker_static_pie)
    if(linker_static_pie)
        set(CMAKE_C_LINK_OPTIONS_PIE -static-pie)
    else()
        set(CMAKE_C_LINK_OPTIONS_PIE -static -no-pie)
    endif()
endif()

# Functions that not every C library has: HAVE_NAME is defined where it is.
set(CMAKE_REQUIRED_DEFINITIONS -D_GNU_SOURCE)
foreach(function "strerrordesc_np string.h" "epoll_pwait2 sys/epoll.h")
    separate_arguments(function)
    list(GET function 0 name)
    list(GET function 1 header)
    string(TOUPPER "HAVE_${name}" known)
    check_symbol_exists(${name} ${header} ${known})
    if(${known})
        target_compile_definitions(build_flags INTERFACE ${known})
    endif()
endforeach()
unset(CMAKE_REQUIRED_DEFINITIONS)
set(stdout_source "#include <stdio.h>\nint main(void) { return (stdout = stderr) == NULL; }")
check_c_source_compiles("${stdout_source}" HAVE_ASSIGNABLE_STDOUT)
if(HAVE_ASSIGNABLE_STDOUT)
    target_compile_definitions(build_flags INTERFACE HAVE_ASSIGNABLE_STDOUT)
endif()

# Atomics of 64 bits are in a library on some 32-bit machines.
set(atomic_source "#include <stdatomic.h>\n#include <stdint.h>
_Atomic uint64_t value;
int main(void) { return (int)atomic_fetch_add(&value, 1); }")
check_c_source_compiles("${atomic_source}" atomics_are_built_in)
if(NOT atomics_are_built_in)
    target_link_libraries(build_flags INTERFACE atomic)
endif()
