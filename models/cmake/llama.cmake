# Read by llama.cpp's CMakeLists.txt (.cargo/config.toml): its programs' common parts, an HTTP library and option parsers
# among them, are half of what there is to compile, and nothing here calls them. The crate's own switch for them is on
# wherever llama-cpp-2 asks for it.
set(LLAMA_BUILD_COMMON OFF CACHE BOOL "" FORCE)
