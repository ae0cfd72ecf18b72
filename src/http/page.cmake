# cmake -D SOURCE=FOLDER -D OUTPUT=FILE -P page.cmake: puts page.html, page.css and page.js together
# as C, with the policy (Content-Security-Policy) that allows just these bytes.
cmake_minimum_required(VERSION 3.21)

# base64_of_sha256(VARIABLE TEXT): 'sha256-…' of the text. Three hexadecimal digits are two of
# base 64; the 64 digits of the hash lack two.
function(base64_of_sha256 variable text)
    set(alphabet ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/)
    string(SHA256 digits "${text}")
    set(digits ${digits}00)
    set(base64 "")
    foreach(at RANGE 0 63 3)
        string(SUBSTRING ${digits} ${at} 3 three)
        math(EXPR high "0x${three} >> 6")
        math(EXPR low "0x${three} & 63")
        string(SUBSTRING ${alphabet} ${high} 1 high)
        string(SUBSTRING ${alphabet} ${low} 1 low)
        string(APPEND base64 ${high}${low})
    endforeach()
    string(SUBSTRING ${base64} 0 43 base64)
    set(${variable} "'sha256-${base64}='" PARENT_SCOPE)
endfunction()

file(READ ${SOURCE}/page.html page)
file(READ ${SOURCE}/page.css style)
file(READ ${SOURCE}/page.js script)
base64_of_sha256(style_hash "${style}")
base64_of_sha256(script_hash "${script}")
string(REPLACE "@STYLE@" "${style}" page "${page}")
string(REPLACE "@SCRIPT@" "${script}" page "${page}")
string(HEX "${page}" bytes)
string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
string(REGEX REPLACE "(................................................................................)" "\\1\n"
       bytes "${bytes}")
file(WRITE ${OUTPUT} "// Made by page.cmake.
static const unsigned char page_bytes[] = {\n${bytes}\n};
#define PAGE_POLICY \\
\t\"default-src 'none'; script-src ${script_hash}; style-src ${style_hash}; connect-src 'self'; \" \\
\t\"img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'\"
")
