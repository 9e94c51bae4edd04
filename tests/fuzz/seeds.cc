// With libFuzzer: writes the seeds of the entry point into the folder that FUZZ_SEEDS names, as
// files of a corpus, before the first run.
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

extern const std::vector<std::string> fuzz_seeds;

extern "C" int LLVMFuzzerInitialize(int *, char ***)
{
    const char *folder = getenv("FUZZ_SEEDS");
    for (size_t i = 0; folder && i < fuzz_seeds.size(); i++) {
        std::ofstream file(std::string(folder) + "/seed-" + std::to_string(i), std::ios::binary);
        file << fuzz_seeds[i];
    }
    return 0;
}
